package netsim_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// faulty is a Transport whose dialed Conns answer every Send with an error of
// their own, and have no ability.
type faulty struct {
	core.Transport
	err error
}

type faultyConn struct {
	core.Conn
	err error
}

func (f faulty) Dial(ctx context.Context, addr string) (core.Conn, error) {
	c, err := f.Transport.Dial(ctx, addr)
	return faultyConn{c, f.err}, err
}

func (c faultyConn) Send(core.Delivery, []byte) error { return c.err }

// A Reliable message that the inner Conn took to be sent and then refuses ends the
// connection: it must not just go missing.
func TestInnerSendFails(t *testing.T) {
	broken := errors.New("cable on fire")
	for _, latency := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			link := netsim.Link{}
			if latency {
				link.Latency = 50 * ms
			}
			client, server := connect(t, netsim.Wrap(faulty{new(mem.Transport), broken}, link, 1))
			defer closeAll(client, server)
			err := client.Send(core.Reliable, nil)
			if latency && err == nil {
				_, err = client.Recv(t.Context())
				if !errors.Is(err, core.ErrClosed) || client.Send(core.Reliable, nil) != err {
					t.Errorf("Recv = %v, want a core.ErrClosed that Send gives as well", err)
				}
			}
			if !errors.Is(err, broken) {
				t.Errorf("error = %v, want one that wraps the inner Conn's", err)
			}
		})
	}
}

// An Unreliable message that the inner Conn refuses after all is lost, no more.
func TestInnerRefusesUnreliable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shrunk := &core.TooLargeError{Size: 5, Max: 4}
		client, server := connect(t, netsim.Wrap(faulty{new(mem.Transport), shrunk}, netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(client, server)
		send(t, client, core.Unreliable, "large")
		send(t, server, core.Reliable, "alive")
		want(t, client, "alive")
	})
}

func TestDropWithoutDropper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t, netsim.Wrap(faulty{Transport: new(mem.Transport)}, netsim.Link{Latency: 50 * ms}, 1))
		defer closeAll(server)
		client.Drop(core.CodeSlow, "")
		wantClosed(t, server, core.CloseError{Code: core.CodeSlow, Remote: true})
		if d := client.LastDelivery(); d != core.Reliable {
			t.Errorf("LastDelivery = %s", d)
		}
	})
}

// deaf is a Transport whose dialed Conns do not end Recv when they are closed.
type deaf struct {
	core.Transport
	ended bool
}

type deafConn struct {
	core.Conn
	of *deaf
}

func (d *deaf) Dial(ctx context.Context, addr string) (core.Conn, error) {
	c, err := d.Transport.Dial(ctx, addr)
	return deafConn{c, d}, err
}

func (c deafConn) Recv(ctx context.Context) ([]byte, error) {
	<-ctx.Done()
	c.of.ended = true
	return nil, ctx.Err()
}

// Close returns when the goroutine of the Conn has done its work, whatever the
// inner Conn is like.
func TestCloseEndsThePump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &deaf{Transport: new(mem.Transport)}
		client, _ := connect(t, netsim.Wrap(inner, netsim.Link{}, 1))
		client.Close(core.CodeNormal, "")
		if !inner.ended {
			t.Error("Close left the goroutine behind")
		}
	})
}

func TestClosedConnsAreForgotten(t *testing.T) {
	sim := netsim.Wrap(new(mem.Transport), netsim.Link{}, 1)
	defer runtime.KeepAlive(sim)
	closed := func() weak.Pointer[netsim.Conn] {
		client, _ := connect(t, sim)
		client.Close(core.CodeNormal, "")
		return weak.Make(client)
	}()
	for range 10 {
		if runtime.GC(); closed.Value() == nil {
			return
		}
	}
	t.Error("a Transport holds on to a Conn that was closed")
}
