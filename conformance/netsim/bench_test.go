package netsim_test

import (
	"context"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// The cost of the wrapper itself, up and down.
func BenchmarkPerfectLink(b *testing.B) {
	client, server := connect(b, netsim.Wrap(new(mem.Transport), netsim.Link{}, 1))
	defer closeAll(client, server)
	ctx := context.Background()
	msg := make([]byte, 1000)
	b.Run("up", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			client.Send(core.Unreliable, msg)
			server.Recv(ctx)
		}
	})
	b.Run("down", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			server.Send(core.Reliable, msg)
			client.Recv(ctx)
		}
	})
}

// Messages that spend a millisecond on their way, many at a time.
func BenchmarkDelayed(b *testing.B) {
	client, server := connect(b, netsim.Wrap(new(mem.Transport), netsim.Link{Latency: time.Millisecond, Jitter: time.Millisecond}, 1))
	defer closeAll(client, server)
	ctx := context.Background()
	msg := make([]byte, 1000)
	const batch = 1000
	b.ReportAllocs()
	for b.Loop() { // one operation is a batch
		for range batch {
			client.Send(core.Unreliable, msg)
		}
		for range batch {
			server.Recv(ctx)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/message")
}
