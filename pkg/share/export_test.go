package share

// Holders returns how many holders have something.
func (l *Ledger) Holders() int { return len(l.own) }
