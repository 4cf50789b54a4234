package parley_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/mem"
)

// Shovel is the only class of these tests' game.
type Shovel struct {
	state.Object
	Wear state.Var[int]
}

var shed = state.NewSchema(state.Class[Shovel]())

// idle is a match that lasts until the server shuts down.
func idle(r *server.Room) error {
	state.Spawn(r.World(), new(Shovel))
	for range r.Ticks() {
	}
	return nil
}

// serve starts a server and returns the address that it is ready at. It is stopped
// when the test is over, and must end without an error.
func serve(t *testing.T, addr string, s parley.Server) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, served := make(chan string, 1), make(chan error, 1)
	s.Ready = func(addr string) { ready <- addr }
	go func() { served <- parley.Serve(ctx, addr, s) }()
	select {
	case at := <-ready:
		t.Cleanup(func() {
			cancel()
			if err := <-served; err != nil {
				t.Errorf("Serve returned %v", err)
			}
		})
		return at
	case err := <-served:
		cancel()
		t.Fatalf("Serve returned %v", err)
		return ""
	}
}

// dial joins, and waits until the world is there.
func dial(t *testing.T, addr string, c parley.Client) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cl, err := parley.Dial(ctx, addr, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	for range cl.Frames(60) {
		if cl.World().Len() == 1 || ctx.Err() != nil {
			break
		}
	}
	if cl.World().Len() != 1 {
		t.Fatalf("the world has %d objects: %v", cl.World().Len(), cl.Err())
	}
	return cl
}

// TestServeDial holds what the front door chooses by itself: UDP, sealed, and msgp.
func TestServeDial(t *testing.T) {
	addr := serve(t, "127.0.0.1:0", parley.Server{Schema: shed, Match: idle, TickRate: 50, UpdateRate: 25})
	host, pin, ok := strings.Cut(addr, "#")
	if !ok || pin == "" {
		t.Fatalf("the address %q has no pin", addr)
	}
	c := dial(t, addr, parley.Client{Schema: shed})
	if c.TickDuration() != 20*time.Millisecond {
		t.Errorf("a tick takes %v", c.TickDuration())
	}
	dial(t, host, parley.Client{Schema: shed}) // on this machine, the pin may be missing

	other, err := identity.Generate()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := parley.Dial(ctx, host+"#"+other.Pin(), parley.Client{Schema: shed}); !errors.Is(err, core.ErrUntrusted) {
		t.Errorf("with another server's pin: %v", err)
	}
	var refused *lobby.RefusedError
	if _, err := parley.Dial(ctx, addr, parley.Client{Schema: state.NewSchema()}); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "class Shovel") {
		t.Errorf("with another schema: %v", err)
	}
	if _, err := parley.Dial(ctx, addr, parley.Client{Schema: shed, Room: "attic"}); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "attic") {
		t.Errorf("into another room: %v", err)
	}
}

// TestFields holds that what the front door would choose can be chosen.
func TestFields(t *testing.T) {
	network := new(mem.Transport)
	named := renamed{codec.Msgp{}}
	addr := serve(t, "shed", parley.Server{Schema: shed, Match: idle, Transport: network, Codec: named, Seats: 1})
	if addr != "shed" {
		t.Errorf("the address is %q", addr)
	}
	var refused *lobby.RefusedError
	if _, err := parley.Dial(t.Context(), addr, parley.Client{Schema: shed, Transport: network}); !errors.As(err, &refused) || !strings.Contains(refused.Reason, `"other/1"`) {
		t.Errorf("with another codec: %v", err)
	}
	dial(t, addr, parley.Client{Schema: shed, Transport: network, Codec: named})
	if _, err := parley.Dial(t.Context(), addr, parley.Client{Schema: shed, Transport: network, Codec: named}); !errors.As(err, &refused) || refused.Code != core.CodeFull {
		t.Errorf("without a seat: %v", err)
	}
}

// renamed is a codec of another name.
type renamed struct{ codec.Msgp }

func (renamed) Name() string { return "other/1" }

// TestKeyFile holds that a server with a key file keeps its pin.
func TestKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.key")
	var pins []string
	for range 2 {
		t.Run("", func(t *testing.T) {
			addr := serve(t, "127.0.0.1:0", parley.Server{Schema: shed, Match: idle, KeyFile: file})
			_, pin, _ := strings.Cut(addr, "#")
			pins = append(pins, pin)
		})
	}
	if len(pins) != 2 || pins[0] != pins[1] || pins[0] == "" {
		t.Errorf("the pins are %q", pins)
	}
}

// TestMisuse holds that what is missing is said before anything is started.
func TestMisuse(t *testing.T) {
	ctx := t.Context()
	taken, err := new(mem.Transport).Listen(ctx, "taken")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name string
		err  error
		text string
	}{
		{"no schema", parley.Serve(ctx, "127.0.0.1:0", parley.Server{Match: idle}), "state.NewSchema"},
		{"no match", parley.Serve(ctx, "127.0.0.1:0", parley.Server{Schema: shed}), "no Match"},
		{"a bad rate", parley.Serve(ctx, "127.0.0.1:0", parley.Server{Schema: shed, Match: idle, TickRate: 10, UpdateRate: 20}), "UpdateRate 20"},
		{"a bad address", parley.Serve(ctx, "nonsense", parley.Server{Schema: shed, Match: idle}), "nonsense"},
		{"a key file beside a transport", parley.Serve(ctx, "x", parley.Server{Schema: shed, Match: idle, KeyFile: "key", Transport: new(mem.Transport)}), "KeyFile"},
		{"a key file that cannot be", parley.Serve(ctx, "127.0.0.1:0", parley.Server{Schema: shed, Match: idle, KeyFile: filepath.Join(t.TempDir(), "no", "such", "dir", "key")}), "key"},
		{"a client without a schema", second(parley.Dial(ctx, "127.0.0.1:1", parley.Client{})), "state.NewSchema"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: the error is %v, want %q in it", c.name, c.err, c.text)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// listener is one with an address and, if it is not empty, a pin.
type listener struct {
	core.Listener
	addr net.Addr
}

func (l listener) Addr() net.Addr { return l.addr }

type pinned struct{ core.Listener }

func (pinned) Pin() string             { return "pin" }
func (p pinned) Unwrap() core.Listener { return p.Listener }

type name string

func (name) Network() string  { return "test" }
func (n name) String() string { return string(n) }

func TestAddress(t *testing.T) {
	for _, c := range []struct{ addr, want string }{
		{"127.0.0.1:7777", "127.0.0.1:7777"},
		{"192.0.2.1:7777", "192.0.2.1:7777"},
		{"0.0.0.0:7777", "localhost:7777"},
		{"[::]:7777", "localhost:7777"},
		{":7777", "localhost:7777"},
		{"[2001:db8::1]:7777", "[2001:db8::1]:7777"},
		{"game.example:7777", "game.example:7777"},
		{"lobby", "lobby"},
	} {
		l := listener{addr: name(c.addr)}
		if got := parley.Address(l); got != c.want {
			t.Errorf("the address of %q is %q, want %q", c.addr, got, c.want)
		}
		if got := parley.Address(pinned{l}); got != c.want+"#pin" {
			t.Errorf("the address of %q with a pin is %q, want %q", c.addr, got, c.want+"#pin")
		}
	}
}

// TestServeWarns holds that a server without a Logger tells of a match that panics,
// and of nothing that is not at least a warning.
func TestServeWarns(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	err := parley.Serve(t.Context(), "arena", parley.Server{
		Schema: shed, Transport: new(mem.Transport), Matches: 1,
		Match: func(*server.Room) error { panic("no dice") },
	})
	if err == nil || !strings.Contains(log.String(), "no dice") || strings.Contains(log.String(), "level=INFO") {
		t.Errorf("Serve returned %v and logged:\n%s", err, &log)
	}
}
