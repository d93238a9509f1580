package app

import (
	"context"
	"net"

	"github.com/dialnote/webhooks/pkg/ops"
)

// RunUntil is Run with a drain that goes on until drained is closed.
func (g *Gate) RunUntil(ctx context.Context, listener net.Listener, drained <-chan struct{}) error {
	return g.run(ctx, listener, ops.NewConnections("connections", nil), func(context.Context) { <-drained })
}
