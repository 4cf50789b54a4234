package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// BenchTransport measures an adapter with the same workloads, under the same names, as
// any other, so that benchstat can set two beside each other:
//
//	RoundTrip/size=64      a Reliable message there and back
//	Reliable/size=64       a stream of Reliable messages, until all have arrived
//	Unreliable/size=64     a stream of Unreliable messages; reports the share that arrived
//	FanOut/peers=32        one message to each of 1 to 32 peers, until all have it
//	Dial                   a connection, until Accept returned it, and its end
//
// What is allocated counts both sides.
func BenchTransport(b *testing.B, h Transport) {
	b.Helper()
	if h.New == nil {
		b.Fatal("conformance: Transport.New is not set")
	}
	h, o := h.options()
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprintf("RoundTrip/size=%d", size), func(b *testing.B) { h.bench(b, o, size, benchRoundTrip) })
	}
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprintf("Reliable/size=%d", size), func(b *testing.B) { h.bench(b, o, size, benchReliable) })
	}
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprintf("Unreliable/size=%d", size), func(b *testing.B) { h.bench(b, o, size, benchUnreliable) })
	}
	for _, peers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("FanOut/peers=%d", peers), func(b *testing.B) { h.bench(b, o, peers, benchFanOut) })
	}
	b.Run("Dial", func(b *testing.B) { h.bench(b, o, 0, benchDial) })
}

func (h Transport) bench(b *testing.B, o options, n int, f func(b *testing.B, r *room, n int) error) {
	b.Helper()
	b.ReportAllocs()
	e := &env{Context: context.Background(), tb: b, wait: 6 * o.wait, seed: o.seed}
	r, err := h.open(e)
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	if err := f(b, r, n); err != nil {
		b.Fatal(err)
	}
}

// echo sends back what comes until the connection ends.
func echo(r *room, c core.Conn) {
	for {
		msg, err := c.Recv(r.e)
		if err != nil {
			return
		}
		if r.e.post(c, core.Reliable, msg) != nil {
			return
		}
	}
}

func benchRoundTrip(b *testing.B, r *room, size int) error {
	d, a, err := r.pair()
	if err != nil {
		return err
	}
	go echo(r, a)
	msg := message(0, size)
	b.SetBytes(int64(size))
	for b.Loop() {
		if err := d.Send(core.Reliable, msg); err != nil {
			return err
		}
		if _, err := d.Recv(r.e); err != nil {
			return err
		}
	}
	return nil
}

// count receives n messages, or until stop, and returns how many came.
func count(ctx context.Context, c core.Conn, n int) (int, error) {
	for i := range n {
		if _, err := c.Recv(ctx); err != nil {
			return i, err
		}
	}
	return n, nil
}

func benchReliable(b *testing.B, r *room, size int) error {
	d, a, err := r.pair()
	if err != nil {
		return err
	}
	r.read(d)
	msg := message(0, size)
	b.SetBytes(int64(size))
	b.ResetTimer()
	done := make(chan error, 1)
	go func() {
		_, err := count(r.e, a, b.N)
		done <- err
	}()
	for range b.N {
		if err := r.e.post(d, core.Reliable, msg); err != nil {
			return err
		}
	}
	return <-done
}

func benchUnreliable(b *testing.B, r *room, size int) error {
	d, a, err := r.pair()
	if err != nil {
		return err
	}
	r.read(d)
	msg := message(0, size)
	b.SetBytes(int64(size))
	ctx, stop := context.WithCancel(r.e)
	defer stop()
	b.ResetTimer()
	arrived := make(chan int, 1)
	go func() {
		n, _ := count(ctx, a, b.N)
		arrived <- n
	}()
	for range b.N {
		if err := d.Send(core.Unreliable, msg); err != nil {
			return err
		}
	}
	b.StopTimer()
	var n int
	select {
	case n = <-arrived:
	case <-time.After(50 * time.Millisecond): // what is lost does not come
		stop()
		n = <-arrived
	}
	b.ReportMetric(float64(n)/float64(b.N), "arrived/op")
	return nil
}

func benchFanOut(b *testing.B, r *room, peers int) error {
	var from []core.Conn
	got := make(chan error, peers)
	for range peers {
		d, a, err := r.pair()
		if err != nil {
			return err
		}
		from = append(from, a)
		r.read(a)
		go func() {
			for {
				_, err := d.Recv(r.e)
				if got <- err; err != nil {
					return
				}
			}
		}()
	}
	msg := message(0, 64)
	b.SetBytes(int64(64 * peers))
	b.ResetTimer()
	for range b.N {
		for _, c := range from {
			if err := c.Send(core.Reliable, msg); err != nil {
				return err
			}
		}
		for range peers {
			if err := <-got; err != nil {
				return err
			}
		}
	}
	b.StopTimer()
	return nil
}

func benchDial(b *testing.B, r *room, _ int) error {
	accepted := make(chan core.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := r.l.Accept(r.e)
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for b.Loop() {
		d, err := r.t.Dial(r.e, address(r.l))
		if err != nil {
			return err
		}
		a := <-accepted
		if a == nil {
			return errors.New("Accept failed")
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.Recv(r.e)
			a.Close(core.CodeNormal, "")
		}()
		d.Close(core.CodeNormal, "")
		<-done
	}
	return nil
}
