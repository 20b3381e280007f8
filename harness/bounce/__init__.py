"""What came back: replies, delivery reports and provider events, read into one record; pure."""
