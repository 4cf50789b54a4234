package main

import (
	"context"
	"fmt"
	"io"

	"github.com/parley-net/parley/transport/identity"
)

func keyCommand() *command {
	return &command{
		name: "key", args: "FILE",
		summary: "Make a server's key, or show the pin of the one in FILE",
		help: `
A server that starts with a key file keeps its pin, the part behind # of the address
that players type. Keep a copy of the file, and keep it secret: whoever has it is the
server, and without it every player needs a new address.`,
		run: func(_ context.Context, args []string, out io.Writer) error {
			if len(args) != 1 {
				return errUsage
			}
			key, err := identity.Load(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\nplayers join with HOST:PORT#%s\n", key.Pin(), key.Pin())
			return nil
		},
	}
}
