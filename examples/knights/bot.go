package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// result is what a bot has seen when the match is over.
type result struct {
	score []Standing
	link  client.LinkStats
	time  time.Duration
}

// runBot plays one knight by itself: it rides at the nearest barbarian and strikes.
func runBot(ctx context.Context, t core.Transport, addr, name string, rnd *rand.Rand) (result, error) {
	c, err := parley.Dial(ctx, addr, parley.Client{Schema: Schema, Transport: t, Info: Hello{Name: name}})
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	var res result
	rpc.On(c, "score", func(_ rpc.Caller, all []Standing) { res.score = all })
	if err := c.SetReady(true); err != nil {
		return res, err
	}
	began := time.Now()
	var rest time.Duration // until the next strike
	for dt := range c.Frames(30) {
		if ctx.Err() != nil {
			break
		}
		rest -= dt
		me, foe := hunt(c)
		if foe == nil || rest > 0 || distance(&me.Pos, &foe.Pos) > reach {
			continue
		}
		style := []string{"thrust", "slash", "charge"}[rnd.IntN(3)]
		if err := Attack.Call(me, Strike{At: state.RefTo(foe), Style: style}); err != nil {
			return res, err
		}
		rest = time.Duration(200+rnd.IntN(300)) * time.Millisecond
	}
	res.link, res.time = c.Link(), time.Since(began)
	var over *core.CloseError
	if errors.As(c.Err(), &over) && over.Code == core.CodeNormal {
		return res, nil
	}
	return res, fmt.Errorf("%s: %w", name, errors.Join(c.Err(), ctx.Err()))
}
