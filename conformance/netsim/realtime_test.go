package netsim_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// In real time, with everything at once from many goroutines, for the race detector;
// and nothing is left behind.
func TestPacketConnConcurrent(t *testing.T) {
	before := runtime.NumGoroutine()
	n := netsim.NewNetwork(1)
	n.SetLink(netsim.PacketLink{
		Link: netsim.Link{Latency: ms, Jitter: 2 * ms, Loss: 0.1}, Duplicate: 0.1, Corrupt: 0.1,
	})
	conns := make([]*netsim.PacketConn, 4)
	for i := range conns {
		conns[i] = open(t, n, "")
	}
	var readers, writers sync.WaitGroup
	for i, c := range conns {
		for range 2 {
			readers.Go(func() {
				buf := make([]byte, 100)
				for {
					if _, _, err := c.ReadFrom(buf); errors.Is(err, net.ErrClosed) {
						return
					} else if err != nil { // a deadline
						time.Sleep(ms)
					}
				}
			})
			writers.Go(func() {
				for k := range 100 {
					c.WriteTo(fmt.Append(nil, k), conns[(i+k)%4].LocalAddr())
					c.SetReadDeadline(time.Now().Add(time.Duration(k%3) * ms))
					time.Sleep(50 * time.Microsecond)
				}
			})
		}
		writers.Go(func() {
			for k := range 20 {
				c.Rebind("", k%2 == 0)
				n.Route(c.Public(), netsim.Any).Blackout(ms)
				n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: ms}})
				n.Inject(c.Public(), conns[0].Public(), []byte("x"))
				n.Counters()
				n.Digest()
				time.Sleep(ms)
			}
		})
	}
	stop := n.Tap(func(e netsim.Event) { _ = e.String() })
	writers.Wait()
	stop()
	n.Close()
	readers.Wait()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * ms)
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
}

// Latency holds in real time as well.
func TestRealTime(t *testing.T) {
	n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 30 * ms}}, 1)
	start := time.Now()
	write(t, a, b, "x")
	if _, _, err := b.ReadFrom(make([]byte, 10)); err != nil || time.Since(start) < 30*ms {
		t.Errorf("ReadFrom: %v after %v", err, time.Since(start))
	}
	b.SetReadDeadline(time.Now().Add(20 * ms))
	_, _, err := b.ReadFrom(make([]byte, 10))
	wantErr(t, err, "read", os.ErrDeadlineExceeded)
	time.AfterFunc(10*ms, func() { n.Close() })
	b.SetReadDeadline(time.Time{})
	_, _, err = b.ReadFrom(make([]byte, 10))
	wantErr(t, err, "read", net.ErrClosed)
}
