package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// Two ends of a connection, and how it ends. Any other Transport works the same.
func Example() {
	ctx := context.Background()
	var network core.Transport = new(mem.Transport)

	ln, err := network.Listen(ctx, "tavern")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	client, err := network.Dial(ctx, "tavern")
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := ln.Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}

	client.Send(core.Reliable, []byte("two ales"))
	client.Close(core.CodeNormal, "too loud in here")

	for {
		msg, err := server.Recv(ctx)
		if err != nil {
			var over *core.CloseError
			fmt.Println(errors.As(err, &over), over.Remote, over.Code, over.Reason)
			break
		}
		fmt.Printf("%s\n", msg)
	}
	server.Close(core.CodeNormal, "")
	// Output:
	// two ales
	// true true normal too loud in here
}

// A wrapper of a Conn says what it wraps, so that abilities behind it are found.
func ExampleAs() {
	conn := wrapConn{ableConn{bareConn{}, "Ann"}}
	if id, ok := core.As[core.Identifier](conn); ok {
		fmt.Println("this is", id.PeerIdentity())
	}
	_, ok := core.As[core.Flusher](conn)
	fmt.Println("it can flush:", ok)
	// Output:
	// this is Ann
	// it can flush: false
}

// An adapter translates foreign errors and keeps the cause.
func ExampleErrorf() {
	err := core.Errorf(core.ErrMalformed, "read the header: %w", io.ErrUnexpectedEOF)
	fmt.Println(err)
	fmt.Println(errors.Is(err, core.ErrMalformed), errors.Is(err, io.ErrUnexpectedEOF))
	// Output:
	// read the header: unexpected EOF
	// true true
}

// A full server's refusal arrives as the end of the connection.
func ExampleCloseError() {
	var err error = &core.CloseError{Code: core.CodeFull, Reason: "64 of 64 seats are taken", Remote: true}
	fmt.Println(err)
	fmt.Println(errors.Is(err, core.ErrClosed), errors.Is(err, core.ErrRefused), errors.Is(err, core.ErrTimeout))
	// Output:
	// parley: connection closed by the peer (full): 64 of 64 seats are taken
	// true true false
}
