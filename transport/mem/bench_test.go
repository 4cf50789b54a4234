package mem_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// connect returns the two ends of a connection over network.
func connect(tb testing.TB, network *mem.Transport) (client, server core.Conn) {
	tb.Helper()
	l, err := network.Listen(tb.Context(), "")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if client, err = network.Dial(tb.Context(), l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return client, server
}

// Send and Recv on one goroutine: the cost of a message without a wake-up.
func BenchmarkSendRecv(b *testing.B) {
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		for _, size := range []int{0, 64, 1200} {
			b.Run(fmt.Sprintf("%s/%dB", d, size), func(b *testing.B) {
				client, server := connect(b, new(mem.Transport))
				msg := make([]byte, size)
				ctx := context.Background()
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					client.Send(d, msg)
					server.Recv(ctx)
				}
			})
		}
	}
}

// A round trip between two goroutines, both of which sleep in Recv.
func BenchmarkPingPong(b *testing.B) {
	client, server := connect(b, new(mem.Transport))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for {
			msg, err := server.Recv(ctx)
			if err != nil {
				return
			}
			server.Send(core.Reliable, msg)
		}
	}()
	msg := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		client.Send(core.Reliable, msg)
		client.Recv(ctx)
	}
	b.StopTimer()
	client.Close(core.CodeNormal, "")
}

// One operation is one update of a server: 6 packets to each of 1,000 clients,
// which read them.
func BenchmarkUpdate1000x6(b *testing.B) {
	const clients, packets = 1000, 6
	var out, in [clients]core.Conn
	network := new(mem.Transport)
	for i := range clients {
		in[i], out[i] = connect(b, network)
	}
	msg := make([]byte, mem.DefaultMaxUnreliable)
	ctx := context.Background()
	update := func() {
		for _, c := range out {
			for range packets {
				c.Send(core.Unreliable, msg)
			}
		}
		for _, c := range in {
			for range packets {
				c.Recv(ctx)
			}
		}
	}
	update() // makes the buffers that all later updates use
	b.ReportAllocs()
	b.SetBytes(clients * packets * int64(len(msg)))
	for b.Loop() {
		update()
	}
}

// An Unreliable message that pushes out an older one.
func BenchmarkEvict(b *testing.B) {
	client, _ := connect(b, &mem.Transport{QueueMessages: 64})
	msg := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		client.Send(core.Unreliable, msg)
	}
}

func BenchmarkDialAccept(b *testing.B) {
	network := new(mem.Transport)
	l, err := network.Listen(b.Context(), "door")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		client, err := network.Dial(ctx, "door")
		if err != nil {
			b.Fatal(err)
		}
		server, err := l.Accept(ctx)
		if err != nil {
			b.Fatal(err)
		}
		client.Close(core.CodeNormal, "")
		server.Close(core.CodeNormal, "")
	}
}
