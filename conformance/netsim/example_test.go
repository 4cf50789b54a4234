package netsim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// Every message over this link takes 20 ms, and of the Unreliable ones a quarter
// is lost: the same ones whenever the seed is 1.
func Example() {
	ctx := context.Background()
	network := new(mem.Transport)
	l, _ := network.Listen(ctx, "arena")
	defer l.Close()

	far := netsim.Wrap(network, netsim.Link{Latency: 20 * time.Millisecond, Loss: 0.25}, 1)
	player, _ := far.Dial(ctx, "arena")
	server, _ := l.Accept(ctx)

	for i := range 8 {
		player.Send(core.Unreliable, fmt.Append(nil, i))
	}
	player.Close(core.CodeNormal, "bye") // travels behind what was sent

	for {
		msg, err := server.Recv(ctx)
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("position", string(msg))
	}
	// Output:
	// position 0
	// position 1
	// position 3
	// position 4
	// position 6
	// position 7
	// parley: connection closed by the peer: bye
}

// A lift: for a while nothing passes, and then what is Reliable arrives.
func ExampleTransport_Blackout() {
	ctx := context.Background()
	network := new(mem.Transport)
	l, _ := network.Listen(ctx, "arena")
	defer l.Close()
	mobile := netsim.Wrap(network, netsim.Link{}, 1)
	player, _ := mobile.Dial(ctx, "arena")
	defer player.Close(core.CodeNormal, "")
	server, _ := l.Accept(ctx)

	mobile.Blackout(10 * time.Millisecond)
	server.Send(core.Unreliable, []byte("position"))
	server.Send(core.Reliable, []byte("goal"))
	msg, _ := player.Recv(ctx)
	fmt.Printf("%s\n", msg)
	// Output: goal
}
