package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// Dial connects to the Listener at addr, "host:port#pin", and returns when the
// server has welcomed the connection: it stands in the queue of Accept. Without a
// pin Dial trusts servers on this machine only; elsewhere the error wraps
// core.ErrUntrusted and says what to add.
//
// The error wraps core.ErrRefused where nobody listens, the name does not exist, the
// server is none of parley's or turned us away; core.ErrTimeout where no answer came
// in time; core.ErrMalformed for an impossible pin; and ctx.Err() when ctx ended.
func (t *Transport) Dial(ctx context.Context, addr string) (core.Conn, error) {
	hostport, pin, err := identity.Split(addr)
	if err != nil {
		return nil, core.DialError(core.ErrMalformed, addr, err)
	}
	c, err := t.dial(ctx, hostport, pin)
	if err != nil {
		return nil, dialError(ctx, hostport, err)
	}
	return c, nil
}

func (t *Transport) dial(ctx context.Context, hostport, pin string) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	raw, err := t.cfg.DialContext(ctx, "tcp", hostport)
	if err != nil {
		return nil, err
	}
	tune(raw)
	shaking, stop := context.WithTimeoutCause(ctx, t.cfg.HandshakeTimeout,
		fmt.Errorf("%s accepts connections but does not answer: %w", hostport, context.DeadlineExceeded))
	defer stop()

	conf := identity.ClientConfig(t.trustedAs(hostport, raw.RemoteAddr()), pin)
	conf.DynamicRecordSizingDisabled = true // a batch is a record
	stream := tls.Client(raw, conf)
	if err := stream.HandshakeContext(shaking); err != nil {
		raw.Close()
		return nil, because(shaking, err)
	}
	c := newConn(stream, raw, &t.cfg, client)
	// The handshake is over, and has checked that there are keys.
	if pub, err := identity.PeerKeys(stream.ConnectionState()); err == nil {
		c.pin = pub.Pin()
	}
	select {
	case <-c.welcome:
		return c, nil
	case <-c.done:
		select {
		case <-c.welcome: // and then a goodbye, which Recv will return
			return c, nil
		default:
		}
	case <-shaking.Done():
		c.Drop(core.CodeTimeout, "")
	}
	<-c.gone
	return nil, because(shaking, c.ended())
}

// because prefers the end of the context, with its cause, to the error that it led to.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// trustedAs returns the address by which identity judges whether a server without a
// pin can be trusted. That is where the connection leads; but behind a DialContext
// that is not ours this may be a proxy on this machine, and then it is what the user
// typed.
func (t *Transport) trustedAs(hostport string, remote net.Addr) net.Addr {
	if !t.proxy || !identity.Local(remote) {
		return remote
	}
	if ap, err := netip.ParseAddrPort(hostport); err == nil {
		if ip := ap.Addr().Unmap(); ip.IsLoopback() || ip.IsUnspecified() {
			return remote
		}
		return net.TCPAddrFromAddrPort(ap)
	}
	if _, real := remote.(*net.TCPAddr); !real {
		return remote // a simulated network, with names of its own
	}
	host, _, err := net.SplitHostPort(hostport)
	if err == nil && (host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")) {
		return remote
	}
	return nil
}

// dialError translates what ended a Dial.
func dialError(ctx context.Context, hostport string, err error) error {
	kind := core.ErrRefused
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		if !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	case errors.Is(err, core.ErrUntrusted):
		kind = core.ErrUntrusted
	case errors.Is(err, core.ErrTimeout), errors.As(err, &timeout) && timeout.Timeout():
		kind = core.ErrTimeout
	case isTLS(err):
		err = fmt.Errorf("what answers there is no parley server of this version: %w", err)
	}
	return core.DialError(kind, hostport, err)
}

// isTLS reports whether the peer answered with something other than our handshake.
func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var alert *net.OpError // crypto/tls says "remote error" or "local error"
	return errors.As(err, &record) || errors.As(err, &alert) && strings.HasSuffix(alert.Op, " error")
}
