package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		if !c.send("hello") || <-s.packets != "hello" || !s.send("world") || <-c.packets != "world" {
			t.Error("what is sent does not arrive")
		}
		if c.link.RTT() != 10*time.Millisecond || s.link.RTT() != 10*time.Millisecond {
			t.Errorf("round trip %v and %v", c.link.RTT(), s.link.RTT())
		}
		if c.link.Identity() != w.key.Pin() {
			t.Errorf("the client knows the server as %q", c.link.Identity())
		}
		c.link.Close(core.CodeApp+3, "bye", time.Second)
		c.link.Wait()
		err := <-s.ended
		if err.Code != core.CodeApp+3 || err.Reason != "bye" || !err.Remote {
			t.Errorf("the server sees %v", err)
		}
		w.close(s)
	})
}

func TestDialNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		w.gate.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := w.dial(ctx, nil)
		if !errors.Is(err, core.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		t.Log(err)
		w.net.Close()
	})
}

func TestUntrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		cfg, _ := w.client(clientIP, nil)
		for _, addr := range []string{w.gate.Addr().String(), identity.Join(w.gate.Addr().String(), seeded(t, 2).Pin())} {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			_, err := Dial(ctx, addr, cfg)
			cancel()
			if !errors.Is(err, core.ErrUntrusted) {
				t.Errorf("%s: %v", addr, err)
			}
		}
		w.close()
	})
}

func TestOtherKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		_, err := w.dial(t.Context(), func(c *ClientConfig) { c.Kind = KindKCP })
		if !errors.Is(err, core.ErrRefused) {
			t.Error(err)
		}
		t.Log(err)
		w.close()
	})
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ServerConfig)
		token  bool
		code   core.Code
	}{
		"full":        {func(c *ServerConfig) { c.MaxLinks = 0 }, false, core.CodeFull},
		"no room":     {func(c *ServerConfig) { c.Room = func() bool { return false } }, false, core.CodeFull},
		"no token":    {func(c *ServerConfig) { c.Open = func([]byte) (Pass, error) { return Pass{}, nil } }, false, core.CodeRefused},
		"wrong token": {func(c *ServerConfig) { c.Open = func([]byte) (Pass, error) { return Pass{}, errors.New("expired") } }, true, core.CodeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lan, c.change)
				_, err := w.dial(t.Context(), func(cfg *ClientConfig) {
					if c.token {
						cfg.Sealed, cfg.PSK = []byte("sealed"), [32]byte{9}
					}
				})
				var closed *core.CloseError
				if !errors.As(err, &closed) || closed.Code != c.code || !errors.Is(err, core.ErrRefused) {
					t.Errorf("got %v", err)
				}
				w.close()
			})
		})
	}
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := false
		w := newWorld(t, lan, func(c *ServerConfig) {
			c.Open = func(b []byte) (Pass, error) { return Pass{ID: [16]byte{1}, User: string(b), PSK: [32]byte{7}}, nil }
			c.Spend = func(p Pass) error {
				if spent {
					return errors.New("used before")
				}
				spent = true
				return nil
			}
		})
		with := func(psk byte) func(*ClientConfig) {
			return func(c *ClientConfig) { c.Sealed, c.PSK = []byte("alice"), [32]byte{psk} }
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := w.dial(ctx, with(8)); !errors.Is(err, core.ErrTimeout) { // a thief: he has the token and not its key
			t.Error(err)
		}
		cancel()
		c, err := w.dial(t.Context(), with(7))
		if err != nil {
			t.Fatal(err)
		}
		s := <-w.accept
		if s.link.Identity() != "alice" {
			t.Error(s.link.Identity())
		}
		again, err := w.dial(t.Context(), with(7))
		if err == nil {
			if end := <-again.ended; end.Code != core.CodeRefused || end.Reason != "used before" {
				t.Error(end)
			}
			again.link.Close(core.CodeNormal, "", 0)
			again.link.Wait()
		} else {
			t.Error(err)
		}
		w.close(c, s)
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		time.Sleep(time.Minute) // nothing to say is no silence
		select {
		case err := <-c.ended:
			t.Fatal(err)
		case err := <-s.ended:
			t.Fatal(err)
		default:
		}
		w.net.Cut()
		for _, e := range []*end{c, s} {
			if err := <-e.ended; !errors.Is(err, core.ErrTimeout) || err.Remote {
				t.Error(err)
			}
		}
		w.close(c, s)
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		addr := w.gate.Addr().String()
		s.link.mu.Lock()
		s.link.finish() // the process is gone, and said nothing
		s.link.mu.Unlock()
		w.gate.Close()
		w.listen(addr, nil)
		if err := <-c.ended; err.Code != core.CodeLost {
			t.Error(err)
		}
		w.close(c)
	})
}
