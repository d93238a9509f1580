package app

// NATSURL returns where the embedded NATS server listens, once Ready is closed.
func (s *Standalone) NATSURL() string { return s.natsURL }
