package mem_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

func Example() {
	ctx := context.Background()
	network := new(mem.Transport)

	l, _ := network.Listen(ctx, "lobby")
	defer l.Close()
	player, _ := network.Dial(ctx, "lobby") // waits in the backlog until Accept
	server, _ := l.Accept(ctx)

	player.Send(core.Reliable, []byte("ready"))
	msg, _ := server.Recv(ctx)
	fmt.Printf("server got %q\n", msg)

	server.Send(core.Reliable, []byte("go"))
	server.Close(core.CodeShutdown, "that was all")

	// What was sent before the Close still arrives, then the reason.
	msg, _ = player.Recv(ctx)
	fmt.Printf("player got %q\n", msg)
	_, err := player.Recv(ctx)
	fmt.Println(err)
	// Output:
	// server got "ready"
	// player got "go"
	// parley: connection closed by the peer (shutdown): that was all
}

// A small queue shows a program what happens when a peer does not keep up.
func ExampleTransport() {
	ctx := context.Background()
	network := &mem.Transport{QueueMessages: 2}
	l, _ := network.Listen(ctx, "")
	defer l.Close()
	conn, _ := network.Dial(ctx, l.Addr().String())
	defer conn.Close(core.CodeNormal, "")

	for range 3 {
		err := conn.Send(core.Reliable, []byte("move"))
		fmt.Println(err, errors.Is(err, core.ErrBackpressure))
	}
	// Output:
	// <nil> false
	// <nil> false
	// parley: the peer does not keep up true
}

// The ends of a Pipe are Conns like those of Dial and Accept.
func ExamplePipe() {
	a, b := mem.Pipe()
	a.Send(core.Reliable, []byte("hello"))
	a.Close(core.CodeNormal, "that was all")

	msg, _ := b.Recv(context.Background())
	fmt.Printf("%s\n", msg)
	_, err := b.Recv(context.Background())
	fmt.Println(err)
	// Output:
	// hello
	// parley: connection closed by the peer: that was all
}

func ExampleTransport_Dial_refused() {
	_, err := new(mem.Transport).Dial(context.Background(), "nobody")
	fmt.Println(err)
	fmt.Println(errors.Is(err, core.ErrRefused))
	// Output:
	// parley: dial nobody: nobody listens
	// true
}
