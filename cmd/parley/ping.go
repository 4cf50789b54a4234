package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/tcp"
	"github.com/parley-net/parley/transport/udp"
)

// transports are the adapters that -transport names.
var transports = map[string]func() core.Transport{
	"udp": func() core.Transport { return udp.New(udp.Config{}) },
	"tcp": func() core.Transport { return tcp.New(tcp.Config{}) },
}

func pingCommand() *command {
	var transport string
	var timeout time.Duration
	return &command{
		name: "ping", args: "[-transport udp|tcp] ADDRESS",
		summary: "See whether a server can be reached, whether it has the key of the pin, and how fast",
		help:    "\nIt connects as a player does, up to the door, and leaves again without joining.",
		flags: func(f *flag.FlagSet) {
			f.StringVar(&transport, "transport", "udp", "how to reach the server: udp or tcp")
			f.DurationVar(&timeout, "timeout", 5*time.Second, "how long to try")
		},
		run: func(ctx context.Context, args []string, out io.Writer) error {
			newTransport := transports[transport]
			if len(args) != 1 || newTransport == nil {
				return errUsage
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			began := time.Now()
			conn, err := newTransport().Dial(ctx, args[0])
			if err != nil {
				return err
			}
			took := time.Since(began)
			defer conn.Close(core.CodeNormal, "only looking")
			fmt.Fprintf(out, "%v answers over %s in %.1f ms, handshake included\n", conn.RemoteAddr(), transport, float64(took)/1e6)
			if id, ok := core.As[core.Identifier](conn); ok {
				fmt.Fprintf(out, "its pin is %s\n", id.PeerIdentity())
			}
			fmt.Fprintf(out, "messages: up to %d bytes unreliable, %d bytes reliable\n", conn.MaxSize(core.Unreliable), conn.MaxSize(core.Reliable))
			return nil
		},
	}
}
