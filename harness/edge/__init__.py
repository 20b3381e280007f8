"""Outside things, thin, one file each: config, relay, sandbox, mailbox, feed, ledger, dns."""
