package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
)

// serveNames answers every question for a name with "there is none", and makes
// this the name server of the namespace. Podman asks it for names that it does
// not know itself, such as that of a container in another network or of one that
// is being started: without an answer each such question takes five seconds.
func serveNames(ctx context.Context, w *workplace) error {
	file := w.path("resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+receiverHost+"\n"), 0o644); err != nil { //nolint:gosec // as the system's is
		return fmt.Errorf("write resolv.conf: %w", err)
	}
	if err := syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount resolv.conf: %w", err)
	}
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", receiverHost+":53")
	if err != nil {
		return fmt.Errorf("listen for questions for names: %w", err)
	}
	go func() {
		packet := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer := noSuchName(packet[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return nil
}

// noSuchName makes the answer "no such name" of a question: its header and the
// question, and nothing more.
func noSuchName(question []byte) []byte {
	end := 12
	if len(question) < end {
		return nil
	}
	for end < len(question) && question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 5 // the end of the name, the type and the class
	if end > len(question) {
		return nil
	}
	answer := append([]byte(nil), question[:end]...)
	answer[2] |= 0x80                                  // a response
	answer[3] = 0x80 | 3                               // recursion is available; no such name
	copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // one question, and no records
	return answer
}
