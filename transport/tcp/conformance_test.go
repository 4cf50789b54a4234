package tcp_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/tcp"
)

const timeout = time.Second // of the adapters under test

// under hands the adapter to the suite.
var under = conformance.Transport{
	New:     func(testing.TB) core.Transport { return tcp.New(tcp.Config{IdleTimeout: timeout}) },
	Silent:  silent,
	Timeout: timeout,
}

func TestConformance(t *testing.T) { conformance.TestTransport(t, under) }

// silent leads every connection through a cable that can be pulled: from then on it
// takes bytes and passes none on.
func silent(tb testing.TB) (core.Transport, func()) {
	var pulled atomic.Bool
	return tcp.New(tcp.Config{
		IdleTimeout: timeout,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			far, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			near, player, err := socketPair(ctx)
			if err != nil {
				far.Close()
				return nil, err
			}
			go cable(near, far, &pulled)
			return player, nil
		},
	}), func() { pulled.Store(true) }
}

// cable passes bytes on, and both ends' closing, until it is pulled. Then it takes
// what comes and lets nobody know.
func cable(a, b net.Conn, pulled *atomic.Bool) {
	var g sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		g.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				if pulled.Load() {
					if err != nil {
						return
					}
					continue
				}
				if n > 0 {
					if _, err := way[1].Write(buf[:n]); err != nil {
						return
					}
				}
				if err != nil {
					way[1].(*net.TCPConn).CloseWrite()
					return
				}
			}
		})
	}
	g.Wait()
	a.Close()
	b.Close()
}

// socketPair returns the two ends of a TCP connection on this machine.
func socketPair(ctx context.Context) (a, b net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if b, err = new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if a, err = l.Accept(); err != nil {
		b.Close()
		return nil, nil, err
	}
	return a, b, nil
}

func BenchmarkConformance(b *testing.B) { conformance.BenchTransport(b, under) }
