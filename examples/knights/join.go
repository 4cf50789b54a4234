package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

const help = `  ready              ride out when everyone is ready
  look               who is where
  hunt               ride at the nearest barbarian, and after him
  go DIRECTION       north, east, south, west; or: go stop
  attack [STYLE]     strike the nearest one: thrust (safe), slash, charge (bold)
  say WORDS          shout across the field
  help               this
  quit               leave
`

// join lets a person play, line by line.
func join(ctx context.Context, t core.Transport, addr, name string, in io.Reader, out io.Writer) error {
	c, err := parley.Dial(ctx, addr, parley.Client{Schema: Schema, Transport: t, Info: Hello{Name: name}})
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(out, "You are Sir %s. Commands:\n%s", name, help)

	rpc.On(c, "battle", func(_ rpc.Caller, r Report) { fmt.Fprintln(out, r) })
	rpc.On(c, "news", func(_ rpc.Caller, text string) { fmt.Fprintln(out, text) })
	rpc.On(c, "score", func(_ rpc.Caller, all []Standing) { printStandings(out, all) })
	Wounded.Handle(c, func(_ *Knight, _ rpc.Caller, w Wound) {
		fmt.Fprintf(out, "%s wounds you: -%d, %d left.\n", w.By, w.Lost, w.Left)
	})
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	hunting := false
	for range c.Frames(30) {
		select {
		case line, ok := <-lines:
			verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !ok || verb == "quit" {
				return nil
			}
			hunting = verb == "hunt" || hunting && verb != "go"
			if err := command(c, verb, strings.TrimSpace(rest), out); err != nil {
				fmt.Fprintln(out, err)
			}
		case <-ctx.Done():
			return nil
		default:
		}
		if hunting {
			hunt(c)
		}
	}
	var over *core.CloseError
	if errors.As(c.Err(), &over) && over.Code == core.CodeNormal {
		fmt.Fprintln(out, "The battle is over.")
		return nil
	}
	return c.Err()
}

// command does what one line asks for.
func command(c *client.Client, verb, rest string, out io.Writer) error {
	switch verb {
	case "":
		return nil
	case "help":
		fmt.Fprint(out, help)
		return nil
	case "ready":
		fmt.Fprintln(out, "You are ready.")
		return c.SetReady(true)
	case "say":
		return c.Emit("say", rest)
	case "look":
		look(c, out)
		return nil
	case "hunt", "go", "attack":
	default:
		return fmt.Errorf("%q? Type help", verb)
	}
	var me *Knight
	for k := range state.Owned[*Knight](c.World(), c.ID()) {
		me = k
	}
	switch {
	case me == nil && !c.Started():
		return errors.New("the battle has not begun; say ready")
	case me == nil:
		return errors.New("you are not on the field")
	}
	switch foe := nearest(c.World(), me); verb {
	case "go":
		way, ok := map[string]state.Vec2{
			"north": {Y: -10}, "south": {Y: 10}, "east": {X: 10}, "west": {X: -10}, "stop": {},
		}[rest]
		if !ok {
			return fmt.Errorf("where is %q? go north, east, south, west or stop", rest)
		}
		me.Pos.SetVelocity(way.X, way.Y)
	case "attack":
		if foe == nil {
			return errors.New("no barbarian is left")
		}
		if d := distance(&me.Pos, &foe.Pos); d > reach {
			return fmt.Errorf("%s is %.1f paces away; your sword reaches %.1f", foe.Name, d, reach)
		}
		if rest == "" {
			rest = "thrust"
		}
		return Attack.Call(me, Strike{At: state.RefTo(foe), Style: rest})
	}
	return nil
}

// look shows the field, or before the battle the lobby.
func look(c *client.Client, out io.Writer) {
	if !c.Started() {
		for p := range c.Lobby().Players() {
			var hello Hello
			_ = c.InfoOf(p, &hello) // who says nothing has no name
			fmt.Fprintf(out, "  Sir %-10s ready: %v\n", hello.Name, p.Ready)
		}
		return
	}
	for k := range state.All[*Knight](c.World()) {
		fmt.Fprintf(out, "  Sir %-10s at %4.1f, %4.1f  health %3d  gold %d\n", k.Name, k.Pos.X(), k.Pos.Y(), k.Health.Get(), k.Gold.Get())
	}
	for b := range state.All[*Barbarian](c.World()) {
		fmt.Fprintf(out, "  %-14s at %4.1f, %4.1f  health %3d  purse %d\n", b.Name, b.Pos.X(), b.Pos.Y(), b.Health.Get(), b.Purse.Get())
	}
}

// hunt has this player's knight ride at the nearest barbarian, and returns both: nil
// where there is none.
func hunt(c *client.Client) (me *Knight, foe *Barbarian) {
	for me = range state.Owned[*Knight](c.World(), c.ID()) {
		foe = nearest(c.World(), me)
		if foe == nil || distance(&me.Pos, &foe.Pos) < reach-1 {
			me.Pos.SetVelocity(0, 0)
			break
		}
		d := distance(&me.Pos, &foe.Pos)
		me.Pos.SetVelocity(10*(foe.Pos.X()-me.Pos.X())/d, 10*(foe.Pos.Y()-me.Pos.Y())/d)
	}
	return me, foe
}
