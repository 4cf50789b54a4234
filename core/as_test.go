package core_test

import (
	"context"
	"net"
	"testing"

	"github.com/parley-net/parley/core"
)

// bare is a Transport, a Listener and a Conn that can nothing.
type (
	bareTransport struct{}
	bareListener  struct{}
	bareConn      struct{}
)

func (bareTransport) Listen(context.Context, string) (core.Listener, error) {
	return bareListener{}, nil
}
func (bareTransport) Dial(context.Context, string) (core.Conn, error) { return bareConn{}, nil }

func (bareListener) Accept(context.Context) (core.Conn, error) { return bareConn{}, nil }
func (bareListener) Addr() net.Addr                            { return nil }
func (bareListener) Close() error                              { return nil }

func (bareConn) Send(core.Delivery, []byte) error     { return nil }
func (bareConn) Recv(context.Context) ([]byte, error) { return nil, core.ErrClosed }
func (bareConn) MaxSize(core.Delivery) int            { return core.MinReliableSize }
func (bareConn) Close(core.Code, string) error        { return nil }
func (bareConn) RemoteAddr() net.Addr                 { return nil }
func (bareConn) Stats() core.Stats                    { return core.Stats{} }

// The able ones name themselves through an optional ability.
type ableConn struct {
	core.Conn
	name string
}

func (c ableConn) PeerIdentity() string { return c.name }

type ableListener struct {
	core.Listener
	name string
}

func (l ableListener) Pin() string { return l.name }

// named is an optional ability of a Transport, of this test's own.
type named interface{ Named() string }

type ableTransport struct {
	core.Transport
	name string
}

func (t ableTransport) Named() string { return t.name }

// The wrappers hide all but the contract, and say what they wrap.
type (
	wrapConn      struct{ core.Conn }
	wrapListener  struct{ core.Listener }
	wrapTransport struct{ core.Transport }
)

func (w wrapConn) Unwrap() core.Conn           { return w.Conn }
func (w wrapListener) Unwrap() core.Listener   { return w.Listener }
func (w wrapTransport) Unwrap() core.Transport { return w.Transport }

// shy is a wrapper that hides what is inside.
type shy struct{ core.Conn }

// mirror unwraps to itself.
type mirror struct{ core.Conn }

func (m mirror) Unwrap() core.Conn { return m }

func TestAs(t *testing.T) {
	able := ableConn{bareConn{}, "ann"}
	for _, c := range []struct {
		name string
		conn core.Conn
		want string // "" where the ability is not to be found
	}{
		{"itself", able, "ann"},
		{"wrapped once", wrapConn{able}, "ann"},
		{"wrapped thrice", wrapConn{wrapConn{wrapConn{able}}}, "ann"},
		{"the outermost counts", ableConn{wrapConn{able}, "bob"}, "bob"},
		{"not there", bareConn{}, ""},
		{"not there, wrapped", wrapConn{bareConn{}}, ""},
		{"hidden on purpose", shy{able}, ""},
		{"hidden below a wrapper", wrapConn{shy{able}}, ""},
		{"wraps nothing", wrapConn{}, ""},
		{"nothing", nil, ""},
		{"unwraps to itself", mirror{able}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, ok := core.As[core.Identifier](c.conn)
			if ok != (c.want != "") || ok != (id != nil) {
				t.Fatalf("found %v, %v; want it found: %v", id, ok, c.want != "")
			}
			if ok && id.PeerIdentity() != c.want {
				t.Errorf("found %q, want %q", id.PeerIdentity(), c.want)
			}
		})
	}
}

// TestAsEverything holds that As looks through wrappers of all three parts of the
// contract, and finds concrete types also.
func TestAsEverything(t *testing.T) {
	if p, ok := core.As[core.Pinner](wrapListener{wrapListener{ableListener{bareListener{}, "pin"}}}); !ok || p.Pin() != "pin" {
		t.Errorf("the Pinner of a wrapped Listener: %v, %v", p, ok)
	}
	if n, ok := core.As[named](wrapTransport{ableTransport{bareTransport{}, "net"}}); !ok || n.Named() != "net" {
		t.Errorf("an ability of a wrapped Transport: %v, %v", n, ok)
	}
	if _, ok := core.As[bareConn](wrapConn{bareConn{}}); !ok {
		t.Error("the concrete type of a wrapped Conn was not found")
	}
	if _, ok := core.As[core.Flusher](42); ok {
		t.Error("a number can flush")
	}
}
