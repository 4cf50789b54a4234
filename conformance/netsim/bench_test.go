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

// The cost of a packet on a Network, from WriteTo to its reader: over a perfect link,
// over one where it has to wait for its time, and over one where everything happens.
func BenchmarkPackets(b *testing.B) {
	for _, bb := range []struct {
		name string
		link netsim.PacketLink
	}{
		{"perfect", netsim.PacketLink{}},
		{"delayed", netsim.PacketLink{Link: netsim.Link{Latency: time.Millisecond, Jitter: time.Millisecond}}},
		{"bad", netsim.PacketLink{
			Link:      netsim.Link{Jitter: time.Millisecond, Burst: netsim.BurstLoss(0.05, 5), Reorder: 0.04, ReorderBy: time.Millisecond, Rate: 1e9},
			Duplicate: 0.1, Corrupt: 0.05, MTU: 1400,
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			n, from, to := openTwo(b, bb.link, 1)
			to.SetReadBuffer(1 << 30)
			addr, msg, buf := to.Public(), make([]byte, 1200), make([]byte, 1500)
			const batch = 1000
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			read := uint64(0)
			for i := 1; b.Loop(); i++ { // one operation is a packet
				from.WriteToUDPAddrPort(msg, addr)
				if i%batch > 0 {
					continue
				}
				for c := n.Counters(); read < c.Sent+c.Duplicated-c.Lost-c.QueueFull; read++ {
					to.ReadFromUDPAddrPort(buf)
				}
			}
		})
	}
}
