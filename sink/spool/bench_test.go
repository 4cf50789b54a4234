package spool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// BenchmarkSink is the workload of every sink, on a real disk.
func BenchmarkSink(b *testing.B) {
	store := &mem.Store{Keep: 16}
	conformance.BenchSink(b, conformance.Sink{New: func(tb testing.TB) core.SnapshotSink {
		s, err := New(Config{Dir: tb.TempDir(), Sink: store.Open()})
		must(tb, err)
		return s
	}})
}

// BenchmarkWriteEvents writes single events from many goroutines at once, on a real
// disk, with an fsync before each acknowledgement. Nothing is shipped meanwhile, or all.
func BenchmarkWriteEvents(b *testing.B) {
	for _, up := range []bool{false, true} {
		for _, writers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("up=%v/writers=%d", up, writers), func(b *testing.B) {
				store := newShop()
				if !up {
					store.set(func(int, int) act { return act{hang: true} })
				}
				var sink core.SnapshotSink = store.open()
				if up {
					sink = idle{}
				}
				s, err := New(Config{Dir: b.TempDir(), Sink: sink, MaxBytes: 1 << 40, Timeout: time.Hour})
				must(b, err)
				b.ReportAllocs()
				b.ResetTimer()
				frames := s.common.clock.Load()
				var wg sync.WaitGroup
				for w := range writers {
					wg.Go(func() {
						list := []core.Event{event("m", uint64(w+1))}
						for range (b.N + writers - 1 - w) / writers {
							if _, err := s.WriteEvents(context.Background(), list); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(b.N)/float64(s.common.clock.Load()-frames), "events/fsync")
				_ = s.Close(within(b, 0))
			})
		}
	}
}

// idle is a store that takes all and keeps nothing.
type idle struct{}

func (idle) WriteEvents(_ context.Context, events []core.Event) (int, error) { return len(events), nil }
func (idle) WriteSnapshot(context.Context, core.Snapshot) error              { return nil }
func (idle) Close(context.Context) error                                     { return nil }

// BenchmarkRecovery opens a spool of 64 MiB, events and snapshots, that a process left.
func BenchmarkRecovery(b *testing.B) {
	dir, store := b.TempDir(), newShop()
	store.set(func(int, int) act { return act{hang: true} })
	s, err := New(Config{Dir: dir, Sink: store.open()})
	must(b, err)
	events := uint64(0)
	for tick := uint64(1); s.Stats().Bytes < 64<<20; tick++ {
		put(b, s, eventsOf("m", events+1, events+100)...)
		events += 100
		if tick%10 == 0 {
			snap(b, s, snapshot("m", tick, 1000))
		}
	}
	_ = s.Close(within(b, 0))
	for b.Loop() {
		s, err := New(Config{Dir: dir, Sink: store.open()})
		must(b, err)
		b.StopTimer()
		if st := s.Stats(); uint64(st.WaitingEvents) != events {
			b.Fatalf("%+v, want %d events", st, events)
		}
		_ = s.Close(within(b, 0))
		b.StartTimer()
	}
	b.SetBytes(64 << 20)
}

// TestAllocations holds that a spool which has warmed up allocates nothing for events,
// and nothing for each object of a snapshot.
func TestAllocations(t *testing.T) {
	store, disk := newShop(), newMemDisk()
	store.set(func(int, int) act { return act{hang: true} })
	s, err := New(Config{Dir: "spool", disk: quick{disk}, Sink: store.open(), Timeout: time.Hour})
	must(t, err)
	list := eventsOf("m", 1, 10)
	x := snapshot("m", 1, 2000)
	put(t, s, list...)
	snap(t, s, x)
	per := testing.AllocsPerRun(500, func() { put(t, s, list...) })
	if per >= 1 && !race {
		t.Errorf("WriteEvents of %d events allocates %v times", len(list), per)
	}
	if per := testing.AllocsPerRun(50, func() { snap(t, s, x) }); per > 8 && !race {
		t.Errorf("WriteSnapshot of 2,000 objects allocates %v times", per)
	}
	_ = s.Close(within(t, 0))
}

// quick is a disk whose files take all and allocate nothing.
type quick struct{ *memDisk }

func (q quick) Create(name string) (file, error) {
	f, err := q.memDisk.Create(name)
	return quickFile{f}, err
}

type quickFile struct{ file }

func (quickFile) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (quickFile) Sync() error                            { return nil }
