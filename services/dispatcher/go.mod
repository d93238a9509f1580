module github.com/dialnote/webhooks/services/dispatcher

go 1.26.0

require github.com/dialnote/webhooks/proto v0.0.0

require github.com/dialnote/webhooks/pkg v0.0.0

require (
	github.com/maypok86/otter/v2 v2.4.0 // indirect
	github.com/oklog/run v1.2.0 // indirect
	github.com/oklog/ulid/v2 v2.1.2 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace github.com/dialnote/webhooks/proto => ../../proto

replace github.com/dialnote/webhooks/pkg => ../../pkg
