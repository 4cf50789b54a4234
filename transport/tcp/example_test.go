package tcp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/tcp"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	t := tcp.New(tcp.Config{})
	l, err := t.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	addr := identity.Join(l.Addr().String(), l.(core.Pinner).Pin()) // what players type

	player, err := t.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	seat, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	player.Send(core.Reliable, []byte("e2 e4"))
	msg, err := seat.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)

	seat.Send(core.Reliable, []byte("checkmate"))
	go seat.Close(core.CodeNormal, "good game")
	msg, err = player.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	_, err = player.Recv(ctx)
	fmt.Println(err)
	player.Close(core.CodeNormal, "")
	// Output:
	// e2 e4 <nil>
	// checkmate <nil>
	// parley: connection closed by the peer: good game
}

// A pin that is not the server's stops the dial before anything was said.
func ExampleTransport_Dial_untrusted() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	t := tcp.New(tcp.Config{})
	l, err := t.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	_, err = t.Dial(ctx, identity.Join(l.Addr().String(), "gz6q3majdqqsy2uwe4sbpmngui"))
	fmt.Println(errors.Is(err, core.ErrUntrusted))
	// Output: true
}

// A server whose pin outlives restarts, and which is more patient than usual.
func ExampleNew() {
	key, err := identity.Generate() // a real server: identity.Load("server.key")
	if err != nil {
		log.Fatal(err)
	}
	t := tcp.New(tcp.Config{
		Identity:    key,
		IdleTimeout: 30 * time.Second,
		Linger:      3 * time.Second,
	})
	l, err := t.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	fmt.Println(l.(core.Pinner).Pin() == key.Pin())
	// Output: true
}
