package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// plainPair is a pair without TLS: what this package costs by itself.
func plainPair(t testing.TB) (a, b *conn) {
	t.Helper()
	clean(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	x, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	y, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	tune(x)
	tune(y)
	cfg := New(Config{}).cfg
	a, b = newConn(x, x, &cfg, client), newConn(y, y, &cfg, server)
	t.Cleanup(func() { a.Drop(0, ""); b.Drop(0, "") })
	<-a.welcome
	return a, b
}

// Neither Send nor Recv, nor the goroutines behind them, allocate once buffers have
// their size. (Under TLS, crypto/tls adds 32 bytes for each time it reads the socket.)
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	a, b := plainPair(t)
	ctx := testContext(t)
	msg := make([]byte, 1000)
	round := func(d core.Delivery) {
		for range 8 {
			if err := a.Send(d, msg); err != nil {
				t.Fatal(err)
			}
		}
		for range 8 {
			if _, err := b.Recv(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		for range 200 { // until buffers have their size
			round(d)
		}
		if n := testing.AllocsPerRun(500, func() { round(d) }); n > 0 {
			t.Errorf("%s: %v allocations for 8 messages, want 0", d, n)
		}
	}
}

// bareTLS is the least that an echo over TLS costs.
func bareTLS(b *testing.B) *tls.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	conf := serverConfig(b)
	conf.DynamicRecordSizingDisabled = true
	go func() {
		defer l.Close()
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		c := tls.Server(nc, conf)
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	client := identity.ClientConfig(nc.RemoteAddr(), "")
	client.DynamicRecordSizingDisabled = true
	return tls.Client(nc, client)
}

// BenchmarkRoundTrip compares a message there and back with a bare TLS echo.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{32, 1000} {
		b.Run(fmt.Sprintf("tls/%d", size), func(b *testing.B) {
			c := bareTLS(b)
			msg := make([]byte, size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(msg); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
			b.Run(fmt.Sprintf("%s/%d", d, size), func(b *testing.B) {
				x, y := pair(b, Config{})
				ctx := context.Background()
				go func() {
					for {
						msg, err := y.Recv(ctx)
						if err != nil {
							return
						}
						y.Send(d, msg)
					}
				}()
				msg := make([]byte, size)
				b.ReportAllocs()
				for b.Loop() {
					if err := x.Send(d, msg); err != nil {
						b.Fatal(err)
					}
					if _, err := x.Recv(ctx); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkThroughput moves Reliable messages in one direction as fast as they go.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{100, 1000, 16_000, MaxReliable} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			x, y := pair(b, Config{})
			ctx := context.Background()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			done := make(chan struct{})
			received := 0
			go func() {
				defer close(done)
				for {
					if _, err := y.Recv(ctx); err != nil {
						return
					}
					received++
				}
			}()
			msg := make([]byte, size)
			sent := 0
			for b.Loop() {
				for {
					err := x.Send(core.Reliable, msg)
					if err == nil {
						break
					}
					if !errors.Is(err, core.ErrBackpressure) {
						b.Fatal(err)
					}
					for x.Stats().Queued > queueSize/2 {
						time.Sleep(20 * time.Microsecond)
					}
				}
				sent++
			}
			x.Close(core.CodeNormal, "")
			<-done
			if received != sent {
				b.Errorf("%d messages of %d arrived", received, sent)
			}
		})
	}
}

// BenchmarkDial makes and closes connections.
func BenchmarkDial(b *testing.B) {
	clean(b)
	tr := New(Config{})
	l := listen(b, tr)
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				c.Recv(context.Background())
				c.Close(core.CodeNormal, "")
			}()
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c, err := tr.Dial(context.Background(), l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c.Close(core.CodeNormal, "")
	}
}
