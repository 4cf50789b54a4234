package systest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

var usualSeeds = 4

var (
	seedCount = flag.Int("seeds", 0, "random matches for each loss; 0 is a handful")
	oneSeed   = flag.Uint64("seed", 0, "play this random match only")
)

// TestRandom plays random matches over bad networks: what changes, who comes and
// goes, what is said and called is drawn from a seed. When all is quiet each client's
// world equals the server's, and what was said Reliable has arrived once, in order.
func TestRandom(t *testing.T) {
	t.Parallel() // with the soak
	for _, loss := range []float64{0, 0.05, 0.25} {
		link := netsim.Link{Latency: 30 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: loss, Reorder: loss}
		t.Run(fmt.Sprintf("loss%.0f", 100*loss), func(t *testing.T) {
			first, n := uint64(1), *seedCount
			if n == 0 {
				n = usualSeeds
			}
			if *oneSeed != 0 {
				first, n = *oneSeed, 1
			}
			for seed := first; seed < first+uint64(n); seed++ {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { newChaos(t, link, seed).run() })
					if t.Failed() {
						t.Logf("again: go test ./internal/systest -run 'TestRandom/loss%.0f' -seed %d", 100*loss, seed)
					}
				})
			}
		})
	}
}

// chaos is one random match.
type chaos struct {
	*game
	seed   uint64
	rnd    *rand.Rand // the server's
	quiet  bool       // the server's: nothing changes any more
	number int        // of what the server said or called last

	// What the server sent to and got from each player, by number.
	events map[state.PlayerID][]int
	calls  map[state.PlayerID]map[state.ObjectID][]int
	said   map[state.PlayerID][]int
	poked  map[state.PlayerID][]int

	clients map[*player]*diary
}

// diary is what a client said and heard.
type diary struct {
	events, said []int
	poked        int
	calls        map[state.ObjectID][]int
	heard        int
}

func newChaos(t *testing.T, link netsim.Link, seed uint64) *chaos {
	c := &chaos{
		seed:    seed,
		rnd:     rand.New(rand.NewPCG(seed, 0)),
		events:  make(map[state.PlayerID][]int),
		calls:   make(map[state.PlayerID]map[state.ObjectID][]int),
		said:    make(map[state.PlayerID][]int),
		poked:   make(map[state.PlayerID][]int),
		clients: make(map[*player]*diary),
	}
	a := openMem(link)
	a.seed, a.step = seed<<20, 15*time.Millisecond
	c.game = a.game(t)
	c.play(func(cfg *server.Config) {
		cfg.Match, cfg.Logger = c.match, nil
		cfg.TickRate, cfg.UpdateRate = 40, 20
	})
	return c
}

// run is the clients' side.
func (c *chaos) run() {
	rnd := rand.New(rand.NewPCG(c.seed, 1))
	for range 3 + rnd.IntN(2) {
		c.enter()
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		c.pass(time.Duration(rnd.IntN(60)) * time.Millisecond)
		for _, p := range c.players {
			c.act(p, rnd)
		}
		switch {
		case rnd.IntN(60) == 0 && len(c.players) < 6:
			c.enter()
		case rnd.IntN(100) == 0 && len(c.players) > 2:
			i := rnd.IntN(len(c.players))
			if err := c.players[i].Close(); err != nil {
				c.t.Error(err)
			}
			c.players = slices.Delete(c.players, i, i+1)
		}
	}
	c.do(c.hush)
	var differs string
	for end := time.Now().Add(20 * time.Second); ; c.pass(100 * time.Millisecond) {
		if differs = c.differs(); differs == "" {
			break
		}
		if time.Now().After(end) {
			c.t.Fatalf("all is quiet, and yet %s", differs)
		}
	}
	c.pass(5 * time.Second) // as long as a client waits for an object
	c.do(c.check)
}

// differs says in what a client's world is not the server's.
func (c *chaos) differs() string {
	want := strings.Split(ask(c.game, func(r *server.Room) string { return picture(r.World()) }), "\n")
	for _, p := range c.players {
		if p.over != nil {
			c.t.Fatalf("%s: %v", p.name, p.over)
		}
		got := strings.Split(picture(p.World()), "\n")
		var diff []string
		for _, line := range got {
			if !slices.Contains(want, line) {
				diff = append(diff, "client: "+line)
			}
		}
		for _, line := range want {
			if !slices.Contains(got, line) {
				diff = append(diff, "server: "+line)
			}
		}
		if len(diff) > 0 {
			return p.name + " sees another world:\n" + strings.Join(diff, "\n")
		}
	}
	return ""
}

func (c *chaos) enter() {
	d := &diary{calls: make(map[state.ObjectID][]int)}
	p := c.join(fmt.Sprint("p", len(c.clients)), func(cfg *client.Config) { cfg.Timeout = time.Minute })
	c.clients[p] = d
	Tell.Handle(p.Client, func(h *Hero, _ rpc.Caller, n Note) {
		d.heard++
		d.calls[h.ID()] = append(d.calls[h.ID()], n.N)
	})
	Mark.Handle(p.Client, func(k *Crate, _ rpc.Caller, n int) {
		d.heard++
		d.calls[k.ID()] = append(d.calls[k.ID()], n)
	})
	rpc.On(p, "n", func(_ rpc.Caller, n int) { d.events = append(d.events, n) })
}

// act lets a client do something.
func (c *chaos) act(p *player, rnd *rand.Rand) {
	d := c.clients[p]
	for h := range state.Owned[*Hero](p.World(), p.ID()) {
		switch rnd.IntN(8) {
		case 0:
			h.Pos.SetVelocity(float64(rnd.IntN(40)-20), float64(rnd.IntN(40)-20))
		case 1:
			d.poked++
			if err := Poke.Call(h, Note{N: d.poked}); err != nil {
				c.t.Error(err)
			}
		}
	}
	if rnd.IntN(5) == 0 {
		d.said = append(d.said, len(d.said))
		if err := p.Emit("say", len(d.said)-1); err != nil {
			c.t.Error(err)
		}
	}
}

// check compares what was said and called with what was heard.
func (c *chaos) check(*server.Room) {
	for _, p := range c.players {
		d, id := c.clients[p], p.ID()
		if !slices.Equal(d.events, c.events[id]) {
			c.t.Errorf("%s heard the events %v, want %v", p.name, d.events, c.events[id])
		}
		if !slices.Equal(d.said, c.said[id]) {
			c.t.Errorf("%s said %v, and the server heard %v", p.name, d.said, c.said[id])
		}
		if poked := c.poked[id]; !slices.IsSorted(poked) || len(slices.Compact(slices.Clone(poked))) != len(poked) {
			c.t.Errorf("%s poked in order, and the server got %v", p.name, poked)
		}
		called := 0
		for obj, want := range c.calls[id] {
			called += len(want)
			got := d.calls[obj]
			if p.World().Object(obj) != nil && !slices.Equal(got, want) || !isSubsequence(got, want) {
				c.t.Errorf("%s heard the calls %v on object %d, want %v", p.name, got, obj, want)
			}
		}
		if s := p.Stats(); d.heard+int(s.Gone) != called || s.Panics+s.Unhandled != 0 {
			c.t.Errorf("%s heard %d of %d calls; stats %+v", p.name, d.heard, called, s)
		}
	}
}

func isSubsequence(part, all []int) bool {
	for _, n := range all {
		if len(part) > 0 && part[0] == n {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// TestComplete: who joins a world of 1,000 objects while a quarter of all packets
// gets lost has all of it within three seconds.
func TestComplete(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			a := openMem(netsim.Link{Latency: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.25, Reorder: 0.1})
			a.seed = seed << 20
			g := a.play(t, func(c *server.Config) { c.Logger = nil })
			g.do(func(r *server.Room) {
				for i := range 1000 {
					k := state.Spawn(r.World(), newCrate("one of many"))
					k.Count.Set(i)
					k.Pos.SetVelocity(float64(i%10), float64(i%7))
				}
			})
			p := g.join("late")
			began := time.Now()
			g.until("all is there", func() bool { return count[*Crate](p.World()) == 1000 })
			took := time.Since(began)
			t.Logf("seed %d: 1,000 objects after %v", seed, took)
			if took > 3*time.Second {
				t.Errorf("it took %v, want 3 s at most", took)
			}
		})
	}
}
