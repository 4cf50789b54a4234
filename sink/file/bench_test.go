package file

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
)

// BenchmarkSink writes the same keys again and again, which costs nothing here once
// they are stored; the benchmarks below write new ones.
func BenchmarkSink(b *testing.B) {
	for _, ack := range []Ack{AckDisk, AckOS} {
		b.Run([]string{"AckDisk", "AckOS"}[ack], func(b *testing.B) {
			dir := b.TempDir()
			conformance.BenchSink(b, conformance.Sink{New: func(b testing.TB) core.SnapshotSink { return open(b, Config{Dir: dir, Ack: ack}) }})
		})
	}
}

// fresh calls with a sink on an empty directory, a new one after every so many calls.
func fresh(b *testing.B, c Config, every int, do func(s *Sink, n uint64)) {
	b.ReportAllocs()
	var s *Sink
	for n := 0; b.Loop(); n++ {
		if n%every == 0 {
			b.StopTimer()
			if s != nil {
				closed(b, s)
				if err := os.RemoveAll(c.Dir); err != nil {
					b.Fatal(err)
				}
			}
			c.Dir = b.TempDir()
			s = open(b, c)
			b.StartTimer()
		}
		do(s, uint64(n%every))
	}
}

func BenchmarkWriteSnapshot(b *testing.B) {
	for _, objects := range []int{64, 10_000} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			x := snapshotOf("m", 1, 1, objects)
			fresh(b, Config{Ack: AckOS}, 40, func(s *Sink, n uint64) {
				x.Tick = n
				if err := s.WriteSnapshot(context.Background(), x); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(objects), "ns/object")
		})
	}
}

func BenchmarkWriteEvents(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			events := eventsOf("m", 1, 1, batch)
			fresh(b, Config{Ack: AckOS}, 2000, func(s *Sink, n uint64) {
				for i := range events {
					events[i].Seq = n*uint64(batch) + uint64(i) + 1
				}
				if _, err := s.WriteEvents(context.Background(), events); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch), "ns/event")
		})
	}
}

// BenchmarkOpen reads a file of 32 MB or so to build its index, as the first use of a
// match does.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, Config{Dir: dir, Ack: AckOS})
	for tick := range uint64(20) {
		mustWrite(b, s, []core.Snapshot{snapshotOf("m", 1, tick, 8000)}, eventsOf("m", 1, tick*2000+1, 2000))
	}
	closed(b, s)
	b.SetBytes(int64(len(readFile(b, fileOf(dir, "m")))))
	for b.Loop() {
		r := open(b, Config{Dir: dir, ReadOnly: true})
		for _, err := range r.Events(context.Background(), "m", 1<<40, 1<<40) {
			b.Fatal(err)
		}
		closed(b, r)
	}
}

// BenchmarkLatest reads a snapshot of 10,000 objects.
func BenchmarkLatest(b *testing.B) {
	s := open(b, Config{Dir: b.TempDir(), Ack: AckOS})
	mustWrite(b, s, []core.Snapshot{snapshotOf("m", 1, 1, 10_000)}, nil)
	b.ReportAllocs()
	for b.Loop() {
		x, err := s.Latest(context.Background(), "m")
		if err != nil {
			b.Fatal(err)
		}
		for range x.Objects {
		}
	}
}
