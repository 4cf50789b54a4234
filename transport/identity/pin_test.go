package identity_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

func TestSplit(t *testing.T) {
	pin := seeded(t, 1).Pin()
	for _, tt := range []struct{ addr, hostport, pin string }{
		{"localhost:7777", "localhost:7777", ""},
		{"", "", ""},
		{" localhost:7777\n", "localhost:7777", ""},
		{"localhost:7777#" + pin, "localhost:7777", pin},
		{"[::1]:7777 # " + strings.ToUpper(pin) + " ", "[::1]:7777", pin},
		{"a:1#" + pin[:13] + "\r\n " + pin[13:], "a:1", pin},
		{"#" + pin, "", pin},
	} {
		hostport, got, err := identity.Split(tt.addr)
		if err != nil || hostport != tt.hostport || got != tt.pin {
			t.Errorf("Split(%q) = %q, %q, %v; want %q, %q", tt.addr, hostport, got, err, tt.hostport, tt.pin)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	pin := seeded(t, 1).Pin()
	for _, tt := range []struct{ addr, want string }{
		{"a:1#", "nothing"},
		{"a:1# \t", "nothing"},
		{"a:1#" + pin[1:], "25 characters, expected 26"},
		{"a:1#" + pin + "a", "27 characters, expected 26"},
		{"a:1##" + pin, "'#'"},
		{"a:1#" + pin[1:] + "1", "'1'"},
		{"a:1#" + pin[1:] + "ſ", "'ſ'"},
		{"a:1#" + pin[:25] + "b", "damaged"}, // the last two bits of 130 are not zero
	} {
		hostport, got, err := identity.Split(tt.addr)
		if !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), tt.want) || hostport != "" || got != "" {
			t.Errorf("Split(%q) = %q, %q, %v; want core.ErrMalformed with %q", tt.addr, hostport, got, err, tt.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	pin := seeded(f, 1).Pin()
	for _, s := range []string{"", "#", "a:1", "a:1#" + pin, "a:1#" + strings.ToUpper(pin), " [::1]:7#" + pin + "\n", "##", "a#\xff", "a#ſ", "a:1#" + pin[1:]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		hostport, pin, err := identity.Split(addr)
		switch {
		case err != nil:
			if !errors.Is(err, core.ErrMalformed) || hostport != "" || pin != "" {
				t.Fatalf("Split(%q) = %q, %q, %v", addr, hostport, pin, err)
			}
			return
		case pin == "" && strings.Contains(addr, "#"):
			t.Fatalf("Split(%q) lost the pin", addr)
		case pin != "" && len(pin) != identity.PinSize:
			t.Fatalf("Split(%q) gave the pin %q", addr, pin)
		}
		h, p, err := identity.Split(identity.Join(hostport, pin))
		if err != nil || h != hostport || p != pin {
			t.Fatalf("Split(Join(%q, %q)) = %q, %q, %v", hostport, pin, h, p, err)
		}
	})
}

// named is an address as a simulated network has it.
type named string

func (named) Network() string  { return "sim" }
func (n named) String() string { return string(n) }

func TestVerify(t *testing.T) {
	right, wrong := seeded(t, 1), seeded(t, 2)
	home := []net.Addr{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1},
		&net.TCPAddr{IP: net.ParseIP("::ffff:127.9.9.9"), Port: 1},
		&net.UDPAddr{IP: net.IPv6loopback, Port: 1},
		&net.IPAddr{IP: net.IPv6loopback},
		&net.UnixAddr{Name: "/run/game", Net: "unix"},
		named("server"), named("server:1"), named("[::1]:1"), named("::ffff:127.0.0.1"),
	}
	away := []net.Addr{
		nil,
		(*net.TCPAddr)(nil),
		&net.TCPAddr{},
		&net.TCPAddr{IP: net.IPv4(192, 168, 1, 2), Port: 1},
		&net.UDPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 1},
		&net.IPAddr{IP: net.IPv4(203, 0, 113, 5)},
		named("203.0.113.5:1"), named("[2001:db8::1]:1"), named("2001:db8::1"), named("fe80::1%eth0"),
	}
	for _, addr := range append(home, away...) {
		if err := identity.Verify(addr, right.Pin(), right.Public()); err != nil {
			t.Errorf("%v with the right pin: %v", addr, err)
		}
		if err := identity.Verify(addr, strings.ToUpper(right.Pin()), right.Public()); err != nil {
			t.Errorf("%v with the right pin in upper case: %v", addr, err)
		}
		err := identity.Verify(addr, wrong.Pin(), right.Public())
		if !errors.Is(err, core.ErrUntrusted) || !strings.Contains(err.Error(), right.Pin()) || !strings.Contains(err.Error(), wrong.Pin()) {
			t.Errorf("%v with the wrong pin: %v; want core.ErrUntrusted with both pins", addr, err)
		}
		if err := identity.Verify(addr, "nonsense", right.Public()); !errors.Is(err, core.ErrUntrusted) {
			t.Errorf("%v with a pin that is none: %v; want core.ErrUntrusted", addr, err)
		}
	}
	for _, addr := range home {
		if err := identity.Verify(addr, "", right.Public()); err != nil {
			t.Errorf("%v without a pin: %v", addr, err)
		}
	}
	for _, addr := range away {
		err := identity.Verify(addr, "", right.Public())
		if !errors.Is(err, core.ErrUntrusted) || !strings.Contains(err.Error(), "#") {
			t.Errorf("%v without a pin: %v; want core.ErrUntrusted and advice", addr, err)
		} else if strings.Contains(err.Error(), right.Pin()) {
			t.Errorf("%v without a pin: the error invites to copy the pin that was seen: %v", addr, err)
		}
	}
}
