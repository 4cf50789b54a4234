package netsim_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

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
