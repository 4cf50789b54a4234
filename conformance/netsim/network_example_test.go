package netsim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// Packets on a line that loses, doubles and cuts some: the same ones whenever the seed
// is 4.
func ExampleNetwork() {
	n := netsim.NewNetwork(4)
	defer n.Close()
	n.SetLink(netsim.PacketLink{
		Link:      netsim.Link{Loss: 0.25},
		Duplicate: 0.25,
		Corrupt:   0.25, CorruptAs: netsim.CutTail,
	})
	ctx := context.Background()
	server, _ := n.ListenPacket(ctx, "udp", ":7777")
	player, _ := n.Host("203.0.113.7").ListenPacket(ctx, "udp", "")

	for i := range 6 {
		player.WriteTo(fmt.Appendf(nil, "position %d", i), server.LocalAddr())
	}
	buf := make([]byte, 1500)
	for range n.Counters().Delivered {
		size, from, _ := server.ReadFrom(buf)
		fmt.Printf("%q from %v\n", buf[:size], from)
	}
	// Output:
	// "position 1" from 203.0.113.7:49152
	// "position" from 203.0.113.7:49152
	// "position 2" from 203.0.113.7:49152
	// "position 3" from 203.0.113.7:49152
	// "position 4" from 203.0.113.7:49152
	// "posit" from 203.0.113.7:49152
	// "position 5" from 203.0.113.7:49152
}

// What became of each packet. Log writes that to a file or a buffer, with the times.
func ExampleNetwork_Tap() {
	n := netsim.NewNetwork(1)
	defer n.Close()
	n.SetLink(netsim.PacketLink{MTU: 1200})
	n.Tap(func(e netsim.Event) { fmt.Println(e.From, "to", e.To, "#", e.Index, len(e.Data), "bytes", e.Fate) })
	ctx := context.Background()
	server, _ := n.ListenPacket(ctx, "udp", ":7777")
	player, _ := n.ListenPacket(ctx, "udp", "")

	player.WriteTo(make([]byte, 1200), server.LocalAddr())
	player.WriteTo(make([]byte, 1201), server.LocalAddr())
	n.Blackout(time.Second)
	player.WriteTo([]byte("hello?"), server.LocalAddr())
	server.Close()
	player.WriteTo([]byte("anybody?"), server.LocalAddr())
	// Output:
	// 127.0.0.1:49152 to 127.0.0.1:7777 # 0 1200 bytes delivered
	// 127.0.0.1:49152 to 127.0.0.1:7777 # 1 1201 bytes too long
	// 127.0.0.1:49152 to 127.0.0.1:7777 # 2 6 bytes dark
	// 127.0.0.1:49152 to 127.0.0.1:7777 # 0 8 bytes unreachable
}

// A lift on the way of one player, and no one else's.
func ExampleRoute() {
	n := netsim.NewNetwork(1)
	defer n.Close()
	ctx := context.Background()
	server, _ := n.ListenPacket(ctx, "udp", ":7777")
	first, _ := n.ListenPacket(ctx, "udp", "")
	second, _ := n.ListenPacket(ctx, "udp", "")

	up := n.Route(netsim.AddrOf(first.LocalAddr()), netsim.Any)
	up.Blackout(3 * time.Second)
	up.Back().Blackout(3 * time.Second) // and down
	first.WriteTo([]byte("hello"), server.LocalAddr())
	second.WriteTo([]byte("hello"), server.LocalAddr())

	fmt.Println("delivered:", n.Counters().Delivered, "in the dark:", up.Counters().Dark)
	// Output: delivered: 1 in the dark: 1
}

func ExampleProfile() {
	fmt.Println(netsim.Profiles())
	link, _ := netsim.Profile("LTE")
	fmt.Println(link.Latency, link.Jitter)
	_, err := netsim.Profile("modem")
	fmt.Println(err)
	// Output:
	// [lan wifi lte satellite awful]
	// 25ms 15ms
	// netsim: there is no profile "modem"; there are lan, wifi, lte, satellite, awful
}
