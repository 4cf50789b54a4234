package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// ClientConfig says how Dial works. All fields but Sealed and PSK are needed.
type ClientConfig struct {
	Kind byte
	Idle time.Duration // silence after which the server is lost

	// Sealed and PSK are of the token for this dial, or nothing.
	Sealed []byte
	PSK    [32]byte

	// ListenPacket opens the socket.
	ListenPacket func(ctx context.Context, network, addr string) (net.PacketConn, error)
	// Loopback says that ListenPacket is the system's, so that who dials a loopback
	// address need not be open to the world.
	Loopback bool

	// Accept returns what stands on the Link.
	Accept func(*Link) Handler
}

const maxTargets = 4 // addresses of a name that are tried, all at once

// Dial knocks at the gate at addr, "host:port" or "host:port#pin". The errors are
// those that core.Transport asks for.
func Dial(ctx context.Context, addr string, cfg ClientConfig) (*Link, error) {
	hostport, pin, err := identity.Split(addr)
	if err != nil {
		return nil, core.DialError(core.ErrMalformed, addr, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, core.DialError(core.ErrTimeout, addr, err)
	}
	if len(cfg.Sealed) > maxToken {
		return nil, core.DialError(core.ErrTooLarge, addr, fmt.Errorf("the token has %d bytes, and %d are the most", len(cfg.Sealed), maxToken))
	}
	targets, err := resolve(ctx, hostport)
	if err != nil {
		return nil, core.DialError(core.ErrRefused, addr, err)
	}
	bind := ":0"
	if cfg.Loopback && !slices.ContainsFunc(targets, func(a netip.AddrPort) bool { return !a.Addr().IsLoopback() }) {
		if i := slices.IndexFunc(targets, func(a netip.AddrPort) bool { return a.Addr().Is4() }); i > 0 {
			targets[0] = targets[i] // one socket serves one family
		}
		targets = targets[:1]
		bind = net.JoinHostPort(targets[0].Addr().String(), "0")
		if nobodyAt(targets[0]) {
			return nil, core.DialError(core.ErrRefused, addr, fmt.Errorf("nobody listens at %s: %w", targets[0], syscall.ECONNREFUSED))
		}
	}
	pc, err := cfg.ListenPacket(ctx, "udp", bind)
	if err != nil {
		return nil, core.DialError(core.ErrRefused, addr, err)
	}
	d := newDialer(cfg, pin, pc, targets)
	link, err := d.run(ctx)
	if err != nil {
		d.sock.close()
		d.sock.wait()
		kind := core.ErrRefused
		for _, k := range []error{core.ErrUntrusted, core.ErrTimeout} {
			if errors.Is(err, k) {
				kind = k
			}
		}
		return nil, core.DialError(kind, addr, err)
	}
	return link, nil
}

// resolve returns the addresses that hostport stands for. The unspecified address is
// this machine, which does not answer from that address.
func resolve(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		if ip = ip.Unmap(); ip == netip.IPv4Unspecified() {
			ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		} else if ip == netip.IPv6Unspecified() {
			ip = netip.IPv6Loopback()
		}
		if a := netip.AddrPortFrom(ip, uint16(port)); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out[:min(len(out), maxTargets)], nil
}
