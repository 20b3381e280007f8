"""The story: prepare, step (choose, send, collect, judge) until a verdict, conclude."""
