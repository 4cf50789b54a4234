package netsim_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley/conformance/netsim"
)

func TestListenPacket(t *testing.T) {
	n := netsim.NewNetwork(1)
	defer n.Close()
	for _, tt := range []struct{ host, network, addr, want string }{
		{"", "udp", "", "127.0.0.1:49152"},
		{"", "udp4", ":0", "127.0.0.1:49153"},
		{"", "udp", "0.0.0.0:7777", "127.0.0.1:7777"},
		{"", "udp", "[::]:7778", "127.0.0.1:7778"},
		{"", "udp", "localhost:", "127.0.0.1:49154"},
		{"", "udp", "10.1.2.3:7777", "10.1.2.3:7777"},
		{"", "udp", "10.1.2.3:0", "10.1.2.3:49152"},
		{"", "udp6", "", "[::1]:49152"},
		{"", "udp", "[2001:db8::1]:5", "[2001:db8::1]:5"},
		{"", "udp4", "[::ffff:10.0.0.9]:5", "10.0.0.9:5"},
		{"203.0.113.7", "udp", "", "203.0.113.7:49152"},
		{"203.0.113.7", "udp", "0.0.0.0:9", "203.0.113.7:9"},
		{"203.0.113.7", "udp", "127.0.0.1:9", "127.0.0.1:9"},
		{"2001:db8::2", "udp6", ":9", "[2001:db8::2]:9"},
	} {
		listen := n.ListenPacket
		if tt.host != "" {
			listen = n.Host(tt.host).ListenPacket
		}
		c, err := listen(t.Context(), tt.network, tt.addr)
		if err != nil {
			t.Errorf("ListenPacket(%s, %s): %v", tt.network, tt.addr, err)
			continue
		}
		addr := c.LocalAddr().(*net.UDPAddr)
		if addr.String() != tt.want || addr.Network() != "udp" {
			t.Errorf("ListenPacket(%s, %s) is at %s, want %s", tt.network, tt.addr, addr, tt.want)
		}
		if got := n.Conn(addr.AddrPort()); got != c {
			t.Errorf("Conn(%v) = %p, want %p", addr, got, c)
		}
	}
}

func TestListenPacketRefuses(t *testing.T) {
	n := netsim.NewNetwork(1)
	taken := open(t, n, "127.0.0.1:7777")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx                 context.Context
		host, network, addr string
		want                string
		is                  error
	}{
		{t.Context(), "127.0.0.1", "udp", "127.0.0.1:7777", "", syscall.EADDRINUSE},
		{ended, "127.0.0.1", "udp", "", "", context.Canceled},
		{t.Context(), "127.0.0.1", "tcp", "", "unknown network tcp", nil},
		{t.Context(), "127.0.0.1", "udp", "nowhere", "missing port", nil},
		{t.Context(), "127.0.0.1", "udp", "127.0.0.1:99999", "invalid port", nil},
		{t.Context(), "127.0.0.1", "udp", "example.com:1", "no such host", nil},
		{t.Context(), "127.0.0.1", "udp4", "[::1]:1", "no suitable address", nil},
		{t.Context(), "10.0.0.1", "udp6", "", "no suitable address", nil},
		{t.Context(), "arena", "udp", "", "arena", nil},
	} {
		c, err := n.Host(tt.host).ListenPacket(tt.ctx, tt.network, tt.addr)
		if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("ListenPacket(%s, %s) = %v, %v; want %q", tt.network, tt.addr, c, err, tt.want)
		}
	}
	taken.Close()
	open(t, n, "127.0.0.1:7777")
	n.Close()
	_, err := n.ListenPacket(t.Context(), "udp", "")
	wantErr(t, err, "listen", net.ErrClosed)
}

// The ports of a host run out, and come back when PacketConns are closed.
func TestPortsRunOut(t *testing.T) {
	n := netsim.NewNetwork(1)
	defer n.Close()
	var last net.PacketConn
	for range 1<<16 - 49152 {
		c, err := n.ListenPacket(t.Context(), "udp", "")
		if err != nil {
			t.Fatal(err)
		}
		last = c
	}
	_, err := n.ListenPacket(t.Context(), "udp", "")
	wantErr(t, err, "listen", syscall.EADDRINUSE)
	last.Close()
	if c := open(t, n, ""); c.LocalAddr().String() != last.LocalAddr().String() {
		t.Errorf("%v was opened, want the one that was closed", c.LocalAddr())
	}
}
