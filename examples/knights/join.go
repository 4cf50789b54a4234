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

const help = `  ready              ride when everyone is ready
  look               who is where
  go DIRECTION       north, east, south, west; or: go stop
  hunt               ride at the nearest barbarian
  attack [STYLE]     strike the nearest one: thrust (safe), slash, charge (bold)
  say WORDS          shout across the field
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
	rpc.On(c, "say", func(_ rpc.Caller, text string) { fmt.Fprintln(out, text) })
	rpc.On(c, "score", func(_ rpc.Caller, all []Standing) { printStandings(out, all) })
	Wounded.Handle(c, func(_ *Knight, _ rpc.Caller, w Wound) {
		fmt.Fprintf(out, "%s wounds you: -%d, %d left.\n", w.By, w.Lost, w.Left)
	})
	c.OnPhase(func(started bool) {
		if started {
			fmt.Fprintln(out, "The horns sound!")
		}
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
			if !ok || strings.TrimSpace(line) == "quit" || ctx.Err() != nil {
				return nil
			}
			hunting = strings.TrimSpace(line) == "hunt"
			if err := command(c, line, out); err != nil {
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
func command(c *client.Client, line string, out io.Writer) error {
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch verb {
	case "", "hunt":
		return nil
	case "help":
		fmt.Fprint(out, help)
		return nil
	case "ready":
		return c.SetReady(true)
	case "say":
		return c.Emit("say", rest)
	}
	var me *Knight
	for k := range state.Owned[*Knight](c.World(), c.ID()) {
		me = k
	}
	if me == nil {
		return errors.New("you are not on the field; the battle has not begun, or you have fallen")
	}
	foe := nearest(c.World(), me)
	switch verb {
	case "look":
		for k := range state.All[*Knight](c.World()) {
			fmt.Fprintf(out, "  Sir %-10s at %4.1f, %4.1f  health %3d  gold %d\n", k.Name, k.Pos.X(), k.Pos.Y(), k.Health.Get(), k.Gold.Get())
		}
		for b := range state.All[*Barbarian](c.World()) {
			fmt.Fprintf(out, "  %-14s at %4.1f, %4.1f  health %3d  purse %d\n", b.Name, b.Pos.X(), b.Pos.Y(), b.Health.Get(), b.Purse.Get())
		}
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
			return fmt.Errorf("%s is %.0f paces away; your sword reaches %.0f", foe.Name, d, reach)
		}
		if rest == "" {
			rest = "thrust"
		}
		return Attack.Call(me, Strike{At: state.RefTo(foe), Style: rest})
	default:
		return fmt.Errorf("%q? Type help", verb)
	}
	return nil
}

// hunt rides at the nearest barbarian until it is in reach.
func hunt(c *client.Client) {
	for k := range state.Owned[*Knight](c.World(), c.ID()) {
		foe := nearest(c.World(), k)
		if foe == nil || distance(&k.Pos, &foe.Pos) < reach-1 {
			k.Pos.SetVelocity(0, 0)
			return
		}
		d := distance(&k.Pos, &foe.Pos)
		k.Pos.SetVelocity(10*(foe.Pos.X()-k.Pos.X())/d, 10*(foe.Pos.Y()-k.Pos.Y())/d)
	}
}
