package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/tcp"
)

// tlsHello is the first byte of those who were invited.
const tlsHello = 0x16

// A doorman is the socket of a Listener, with something done to it.
type doorman struct {
	net.Listener
	greet func(c net.Conn) net.Conn
}

func (d doorman) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return d.greet(c), nil
}

// listened is a socket that looks at what it reads first.
type listened struct {
	net.Conn
	first func(b []byte)
	read  bool
}

func (l *listened) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if !l.read && n > 0 {
		l.read = true
		l.first(b[:n])
	}
	return n, err
}

// withDoorman returns transport/tcp whose sockets greet has seen.
func withDoorman(greet func(c net.Conn) net.Conn) core.Transport {
	return tcp.New(tcp.Config{Listen: func(ctx context.Context, network, addr string) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return doorman{l, greet}, nil
	}})
}

var strangerMutants = []mutant{
	{of("Accept/Strangers"), "returns from Accept what was wrong with a stranger", func(testing.TB) core.Transport {
		var strange atomic.Bool
		d := doubleOf(withDoorman(func(c net.Conn) net.Conn {
			return &listened{Conn: c, first: func(b []byte) {
				if b[0] != tlsHello {
					strange.Store(true)
				}
			}}
		}))
		d.door = func(l *doubleListener) {
			l.accept = func(ctx context.Context) (core.Conn, error) {
				for {
					brief, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
					c, err := l.Listener.Accept(brief)
					cancel()
					switch {
					case err == nil || errors.Is(err, core.ErrClosed) || ctx.Err() != nil:
						return c, err
					case strange.Load():
						return nil, errors.New("bad handshake")
					}
				}
			}
		}
		return d
	}, nil},
	{of("Accept/Strangers"), "closes its door after a stranger came", func(testing.TB) core.Transport {
		var l atomic.Pointer[doubleListener]
		d := doubleOf(withDoorman(func(c net.Conn) net.Conn {
			return &listened{Conn: c, first: func(b []byte) {
				if b[0] != tlsHello {
					go l.Load().Listener.Close()
				}
			}}
		}))
		d.door = func(opened *doubleListener) { l.Store(opened) }
		return d
	}, nil},
	{of("Accept/SilentStranger"), "shakes hands with one after the other", func(testing.TB) core.Transport {
		return withDoorman(func(c net.Conn) net.Conn {
			b := make([]byte, 1)
			c.Read(b) // however long that takes
			return &replayed{Conn: c, rest: b}
		})
	}, nil},
	{of("Accept/StrangersCost"), "makes room for as much as is announced", func(testing.TB) core.Transport {
		return withDoorman(func(c net.Conn) net.Conn {
			return &listened{Conn: c, first: func(b []byte) {
				if b[0] == tlsHello || len(b) < 4 {
					return
				}
				room := make([]byte, min(binary.BigEndian.Uint32(b), 128<<20))
				time.AfterFunc(time.Second, func() { runtime.KeepAlive(room) })
			}}
		})
	}, nil},
}

// replayed gives back what was read too early.
type replayed struct {
	net.Conn
	rest []byte
}

func (r *replayed) Read(b []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(b, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}
