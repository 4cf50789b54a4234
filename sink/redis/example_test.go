package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/alicebob/miniredis/v2"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

func Example() {
	ctx := context.Background()
	fake, err := miniredis.Run() // in place of a Redis
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()

	sink, err := redis.Open(ctx, "redis://"+fake.Addr()+"/0?expire=24h")
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close(ctx)
	err = sink.WriteSnapshot(ctx, core.Snapshot{
		Match: "match 7", Epoch: 1, Tick: 60, Time: time.Now(),
		Objects: slices.Values([]core.ObjectState{
			{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}}},
		}),
	})
	fmt.Println("written:", err)
	n, err := sink.WriteEvents(ctx, []core.Event{{Match: "match 7", Epoch: 1, Seq: 1, Tick: 58, Kind: "joined", Player: 2}})
	fmt.Println("written:", n, err)

	newest, _ := sink.Latest(ctx, "match 7")
	for o := range newest.Objects {
		fmt.Println("tick", newest.Tick, o.Class, o.Fields)
	}
	for e, err := range sink.Events(ctx, "match 7", 0, newest.Tick) {
		fmt.Println("tick", e.Tick, "player", e.Player, e.Kind, err)
	}
	_, err = sink.Latest(ctx, "match 8")
	fmt.Println(errors.Is(err, core.ErrNotFound))
	// Output:
	// written: <nil>
	// written: 1 <nil>
	// tick 60 Knight [{HP 80}]
	// tick 58 player 2 joined <nil>
	// true
}

// Another program, such as a page that shows the score, is told of each new snapshot
// and reads it.
func ExampleSink_Keys() {
	ctx := context.Background()
	fake, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	db := goredis.NewClient(&goredis.Options{Addr: fake.Addr(), ContextTimeoutEnabled: true})
	defer db.Close()
	sink, err := redis.New(redis.Config{Client: db})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close(ctx)

	news := db.Subscribe(ctx, sink.Keys("match 7").Latest)
	defer news.Close()
	if _, err := news.Receive(ctx); err != nil { // the subscription is there
		log.Fatal(err)
	}

	for _, tick := range []uint64{60, 120, 90} {
		if err := sink.WriteSnapshot(ctx, core.Snapshot{Match: "match 7", Epoch: 1, Tick: tick}); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 { // 90 is not news any more
		msg, err := news.ReceiveMessage(ctx)
		if err != nil {
			log.Fatal(err)
		}
		latest, err := sink.Latest(ctx, "match 7")
		fmt.Println(msg.Channel, "is", msg.Payload, "and by now tick", latest.Tick, err)
	}
	// Output:
	// parley:{match 7}:latest is 1-60 and by now tick 120 <nil>
	// parley:{match 7}:latest is 1-120 and by now tick 120 <nil>
}
