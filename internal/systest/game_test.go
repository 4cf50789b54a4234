package systest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
)

// A game is a server with its clients, all driven by the test's goroutine: jobs run
// on the room's goroutine, and the clients are pumped while the test waits.
type game struct {
	t       testing.TB
	arena   *arena
	srv     *server.Server
	addr    string
	jobs    chan job
	served  chan error // Serve's result
	over    bool       // it has been taken
	players []*player
}

type job struct {
	fn   func(*server.Room)
	done chan struct{}
}

// play starts a server of the arena. Without a Match it plays one that gives each
// player a hero, and does the test's jobs at each tick.
func (a *arena) play(t testing.TB, change ...func(*server.Config)) *game {
	t.Helper()
	g := a.game(t)
	g.play(change...)
	return g
}

// game returns a game that does not play yet, for a Match of the test's own that
// needs it.
func (a *arena) game(t testing.TB) *game {
	return &game{t: t, arena: a, jobs: make(chan job), served: make(chan error, 1)}
}

func (g *game) play(change ...func(*server.Config)) {
	g.t.Helper()
	cfg := server.Config{Schema: schema, Codec: codec.Msgp{}, Match: g.match, Logger: testLog(g.t)}
	for _, fn := range change {
		fn(&cfg)
	}
	srv, err := server.New(cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	ln, err := g.arena.server.Listen(g.t.Context(), g.arena.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.start(srv, ln)
}

func (g *game) start(srv *server.Server, listeners ...core.Listener) {
	g.srv, g.addr = srv, listeners[0].Addr().String()
	go func() { g.served <- srv.Serve(context.Background(), listeners...) }()
	g.t.Cleanup(g.close)
}

// match is the usual Match: without a lobby.
func (g *game) match(r *server.Room) error {
	g.heroes(r)
	for range r.Ticks() {
		g.work(r)
	}
	return nil
}

// heroes gives each player a hero of the name on the player's card.
func (g *game) heroes(r *server.Room) {
	r.OnJoin(func(p *server.Player) {
		var card Card
		_ = p.Info(&card)
		spawnHero(r, p.ID(), card.Name)
	})
}

// work does the jobs that wait.
func (g *game) work(r *server.Room) {
	for {
		select {
		case j := <-g.jobs:
			func() {
				defer close(j.done) // also when the job panics, which is the match's end
				j.fn(r)
			}()
		default:
			return
		}
	}
}

// do runs fn in the body of a tick, and returns when it has run.
func (g *game) do(fn func(*server.Room)) {
	g.t.Helper()
	j := job{fn, make(chan struct{})}
	limit := time.NewTimer(g.arena.wait)
	defer limit.Stop()
	select {
	case g.jobs <- j:
	case <-limit.C:
		g.t.Fatalf("the room does not tick\n%s\n%s", g.dump(), goroutinesOf(g.t.Name()))
	}
	<-j.done
}

// ask returns what fn does, in the body of a tick.
func ask[T any](g *game, fn func(*server.Room) T) (v T) {
	g.t.Helper()
	g.do(func(r *server.Room) { v = fn(r) })
	return v
}

// A player is a client of the test.
type player struct {
	*client.Client
	name  string
	line  *line
	over  error    // why Update said that the session is over
	heard []string // what came in: "tell 3 hello", "event chat hi"
	still bool     // is not pumped
}

// join dials as a player of a name.
func (g *game) join(name string, change ...func(*client.Config)) *player {
	g.t.Helper()
	p, err := g.tryJoin(name, change...)
	if err != nil {
		g.t.Fatalf("%s does not get in: %v", name, err)
	}
	return p
}

func (g *game) tryJoin(name string, change ...func(*client.Config)) (*player, error) {
	p := &player{name: name, line: g.arena.line()}
	cfg := client.Config{Transport: p.line, Codec: codec.Msgp{}, Schema: schema, Info: Card{Name: name}}
	for _, fn := range change {
		fn(&cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.arena.wait)
	defer cancel()
	dialed := make(chan error, 1)
	go func() {
		var err error
		p.Client, err = client.Dial(ctx, g.addr, cfg)
		dialed <- err
	}()
	if err := g.meanwhile(dialed); err != nil {
		return nil, err
	}
	c := p.Client
	Tell.Handle(c, func(h *Hero, from rpc.Caller, n Note) { p.hear("tell %d %s on %s", n.N, n.Text, h.Name) })
	Hint.Handle(c, func(h *Hero, from rpc.Caller, n int) { p.hear("hint %d on %s", n, h.Name) })
	Mark.Handle(c, func(k *Crate, from rpc.Caller, n int) { p.hear("mark %d on %s", n, k.Kind) })
	rpc.On(c, "chat", func(from rpc.Caller, text string) { p.hear("chat %s", text) })
	g.players = append(g.players, p)
	return p, nil
}

// meanwhile pumps the clients until an error, or nil, is there.
func (g *game) meanwhile(result <-chan error) error {
	tick := time.NewTicker(g.arena.step)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-tick.C:
			g.pump()
		}
	}
}

func (p *player) hear(format string, args ...any) {
	p.heard = append(p.heard, fmt.Sprintf(format, args...))
}

func (p *player) heardOf(what string) bool { return slices.Contains(p.heard, what) }

// hero returns the player's own hero as it is here, nil while it is not.
func (p *player) hero() *Hero { return heroOf(p.World(), p.ID()) }

// heroAt returns p's hero as q sees it.
func (p *player) heroAt(q *player) *Hero { return heroOf(q.World(), p.ID()) }

func (g *game) pump() {
	for _, p := range g.players {
		if p.over == nil && !p.still {
			p.over = p.Update()
		}
	}
}

// until pumps the clients until cond holds.
func (g *game) until(what string, cond func() bool) {
	g.t.Helper()
	for end := time.Now().Add(g.arena.wait); ; time.Sleep(g.arena.step) {
		if g.pump(); cond() {
			return
		}
		if time.Now().After(end) {
			g.t.Fatalf("waited %v in vain: %s\n%s", g.arena.wait, what, g.dump())
		}
	}
}

// untilRoom pumps the clients until cond holds in the body of a tick.
func (g *game) untilRoom(what string, cond func(*server.Room) bool) {
	g.t.Helper()
	g.until(what, func() bool { return ask(g, cond) })
}

// pass pumps the clients for a time, in which something must not happen.
func (g *game) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(g.arena.step) {
		g.pump()
	}
}

// ends waits for the end of the player's session.
func (g *game) ends(p *player, want core.Code) *core.CloseError {
	g.t.Helper()
	g.until(p.name+"'s session is over", func() bool { return p.over != nil })
	var closed *core.CloseError
	if !errors.As(p.over, &closed) {
		g.t.Fatalf("%s's session ended with %v, which is no *core.CloseError", p.name, p.over)
	}
	if closed.Code != want {
		g.t.Fatalf("%s's session ended with %v, want code %v", p.name, p.over, want)
	}
	return closed
}

// serves waits until Serve has returned.
func (g *game) serves() error {
	g.t.Helper()
	var err error
	g.until("Serve returns", func() bool {
		select {
		case err = <-g.served:
			g.over = true
		default:
		}
		return g.over
	})
	return err
}

// close ends everything.
func (g *game) close() {
	for _, p := range g.players {
		p.line.heal()
		_ = p.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.arena.wait)
	defer cancel()
	if err := g.srv.Shutdown(ctx); err != nil {
		g.t.Errorf("Shutdown: %v", err)
		return
	}
	if !g.over {
		<-g.served
	}
}

// dump says what everyone sees.
func (g *game) dump() string {
	var b strings.Builder
	for _, p := range g.players {
		link := p.Link()
		fmt.Fprintf(&b, "%s: player %d in %q, tick %d, started %v, over %v\n  rtt %v, loss %.3f, conn %+v, stats %+v\n  lobby",
			p.name, p.ID(), p.Room(), p.Tick(), p.Started(), p.over, link.RTT, link.Loss, link.Conn, p.Stats())
		for q := range p.Lobby().Players() {
			fmt.Fprintf(&b, " %d:%v,%v", q.ID, q.Status, q.Ready)
		}
		fmt.Fprintf(&b, "\n  %d objects", p.World().Len())
		n := 0
		for e := range p.World().Objects() {
			if n++; n > 20 {
				break
			}
			fmt.Fprintf(&b, " %v(%v)", e, e.Owner())
		}
		fmt.Fprintf(&b, "\n  heard %d: %.200q\n", len(p.heard), p.heard)
	}
	return b.String()
}

// testLog logs to the test, which shows it when it fails, or when -v asks for it.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
