module github.com/dialnote/webhooks/services/hooklab

go 1.26.0

require github.com/dialnote/webhooks/proto v0.0.0

require github.com/dialnote/webhooks/pkg v0.0.0

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/nats-io/nats.go v1.55.0 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/oklog/run v1.2.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/dialnote/webhooks/proto => ../../proto

replace github.com/dialnote/webhooks/pkg => ../../pkg
