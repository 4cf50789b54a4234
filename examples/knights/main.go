// Knights is the command-line game of the thesis on which parley builds: knights
// fight barbarians for gold.
//
//	go run ./examples/knights                   a server and four bots, one battle
//	go run ./examples/knights server            a server for people
//	go run ./examples/knights join ADDRESS      a knight of your own
//
// With -store file:DIR a server keeps its battles in a directory. Killed, and started
// again with -restore, it goes on with the battle that was under way.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/tcp"
	"github.com/parley-net/parley/transport/udp"
)

// transports are the adapters that -transport names.
var transports = map[string]func(*identity.Key) core.Transport{
	"udp": func(k *identity.Key) core.Transport { return udp.New(udp.Config{Identity: k}) },
	"tcp": func(k *identity.Key) core.Transport { return tcp.New(tcp.Config{Identity: k}) },
}

const usage = `knights fight barbarians for gold, over a network

  knights [flags]                  a server and four bots in one process
  knights server [flags]           a server; it prints the address to join
  knights join [flags] ADDRESS     join as a knight; type help when you are in

flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "knights:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	mode := "demo"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		mode, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("knights", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() { fmt.Fprint(out, usage); flags.PrintDefaults() }
	var (
		transport = flags.String("transport", "udp", "how to reach each other: "+strings.Join(names(), ", "))
		addr      = flags.String("addr", ":7777", "where the server listens")
		keyFile   = flags.String("key", "", "file of the server's key; empty makes a fresh one at each start")
		players   = flags.Int("players", 2, "knights that the server waits for")
		length    = flags.Duration("length", 0, "longest battle; 0 is 12s with bots, 3m on a server")
		name      = flags.String("name", "Galahad", "your knight's name")
		seed      = flags.Uint64("seed", 0, "seed of all chances; 0 takes one by chance")
		store     = flags.String("store", "", "where the server keeps its battles: file:DIR; empty keeps none")
		restore   = flags.Bool("restore", false, "the server goes on with the battle that is under way in the -store")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	address := flags.Arg(0)
	if flags.NArg() > 0 { // flags may stand behind the address too
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	newTransport := transports[*transport]
	if newTransport == nil {
		return fmt.Errorf("unknown transport %q: there is %s", *transport, strings.Join(names(), ", "))
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	b := &battle{players: *players, length: *length, rnd: rand.New(rand.NewPCG(*seed, 0)), out: out}
	switch mode {
	case "demo":
		b.players, b.length = len(bots), cmp.Or(*length, 12*time.Second)
		return demo(ctx, b, *transport, newTransport, *seed)
	case "server":
		b.length = cmp.Or(*length, 3*time.Minute)
		key, err := loadKey(*keyFile)
		if err != nil {
			return err
		}
		return serve(ctx, *addr, parley.Server{
			Schema: Schema, Match: b.match, Transport: newTransport(key),
			Ready: func(addr string) {
				fmt.Fprintf(out, "Knights join with:\n\n  go run ./examples/knights join -transport=%s -name=NAME '%s'\n\nFrom another machine, put this one's name or address before the colon.\n\n", *transport, addr)
			},
		}, *store, *restore, out)
	case "join":
		if address == "" || flags.NArg() > 0 {
			return errors.New("join takes one ADDRESS, the one that the server printed")
		}
		return join(ctx, newTransport(nil), address, *name, in, out)
	}
	flags.Usage()
	return fmt.Errorf("unknown command %q", mode)
}

func names() []string {
	var all []string
	for name := range transports {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func loadKey(file string) (*identity.Key, error) {
	if file == "" {
		return identity.Generate()
	}
	return identity.Load(file)
}

// bots are the knights who play by themselves.
var bots = []string{"Lancelot", "Gawain", "Percival", "Tristan"}

// demo plays one battle of bots over real sockets on this machine.
func demo(ctx context.Context, b *battle, name string, newTransport func(*identity.Key) core.Transport, seed uint64) error {
	ctx, cancel := context.WithTimeout(ctx, b.length+7*time.Second)
	defer cancel()
	key, err := identity.Generate()
	if err != nil {
		return err
	}
	address := make(chan string, 1)
	served := make(chan error, 1)
	go func() {
		served <- parley.Serve(ctx, "127.0.0.1:0", parley.Server{
			Schema: Schema, Match: b.match, Matches: 1, Transport: newTransport(key),
			Ready: func(addr string) { address <- addr },
		})
	}()
	var addr string
	select {
	case addr = <-address:
	case err := <-served:
		return err
	}
	results := make([]result, len(bots))
	errs := make([]error, len(bots))
	var playing sync.WaitGroup
	for i, knight := range bots {
		playing.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i+1)))
			results[i], errs[i] = runBot(ctx, newTransport(nil), addr, knight, rnd)
		})
	}
	playing.Wait()
	if err := errors.Join(append(errs, <-served)...); err != nil {
		return err
	}
	printStandings(b.out, results[0].score)
	printNetwork(b.out, name, results)
	return nil
}

// printNetwork sums up what the battle cost the network.
func printNetwork(out io.Writer, transport string, all []result) {
	var rtt, worst, lasted time.Duration
	var down, up, loss float64
	for _, r := range all {
		rtt += r.link.RTT / time.Duration(len(all))
		worst = max(worst, r.link.RTT)
		lasted = max(lasted, r.time)
		down += float64(r.link.Conn.BytesRecv) / r.time.Seconds() / float64(len(all))
		up += float64(r.link.Conn.BytesSent) / r.time.Seconds() / float64(len(all))
		loss = max(loss, r.link.Loss)
	}
	fmt.Fprintf(out, "\nnetwork: %d clients over %s for %.1f s; each %.1f kB/s down, %.1f kB/s up; round trip %.2f ms, worst %.2f ms; %.1f %% lost\n",
		len(all), transport, lasted.Seconds(), down/1e3, up/1e3,
		float64(rtt)/1e6, float64(worst)/1e6, 100*loss)
}
