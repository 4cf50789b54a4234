// Package server plays matches: it seats the players who come in, runs a match's
// function tick by tick, and sends each player what changed.
//
//	func match(r *server.Room) error {
//		if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
//			return err // the server shuts down
//		}
//		r.OnJoin(func(p *server.Player) {
//			state.SpawnFor(r.World(), p.ID(), &Digger{})
//		})
//		Dig.Handle(r, func(d *Digger, from rpc.Caller, n int) {
//			d.Gold.Set(d.Gold.Get() + n)
//		})
//		for range r.Ticks() {
//			for d := range state.All[*Digger](r.World()) {
//				if d.Gold.Get() >= 100 {
//					return r.Emit("winner", d.Owner())
//				}
//			}
//		}
//		return nil
//	}
//
//	func main() {
//		srv, err := server.New(server.Config{Schema: Schema, Codec: codec.Msgp{}, Match: match})
//		if err != nil {
//			log.Fatal(err)
//		}
//		ln, err := tcp.New(tcp.Config{}).Listen(context.Background(), ":7777")
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(srv.Serve(context.Background(), ln))
//	}
//
// Package parley has this with fewer choices to make. Serve takes several listeners,
// of any transports, whose players meet in the same rooms.
//
// # A room and its goroutine
//
// A match is played in a Room, on one goroutine, the one that runs Config.Match.
// Hooks and handlers run there too, while the match waits in Ticks or in the lobby,
// and never during the body of its loop: a game needs no lock, and must not touch the
// room from a goroutine of its own. Rooms run side by side.
//
//	 a goroutine for each player              the room's goroutine
//	┌───────────────────────────┐   ┌──────────────────────────────────────────┐
//	│ receive, count, queue ────┼──▶│ wait    joins, leaves, calls, events:    │
//	└───────────────────────────┘   │         hooks and handlers run, and what │
//	                                │         they send leaves at once         │
//	                    every tick  │ move    steering takes effect, positions │
//	                       (60/s)   │         move by dt, hooks of collisions  │
//	                                │ body    the loop's body                  │
//	                  every update  │ send    what changed, to each player who │
//	                       (30/s)   │         lacks it                         │
//	                                └──────────────────────────────────────────┘
//
// A handler that takes long delays its room and nobody else's. A room that is late
// skips ticks and counts them (Stats.Skipped); dt stays the same. A panic in a hook
// or a handler is logged with its stack, counted, and ends nothing else; one in the
// match itself ends the match. The room closes when Match returns: players get the
// last state and are told that the match is over. With Config.Matches zero, the next
// match then opens in its place.
//
// # Rooms
//
// A server always has a room open, the first of the name "main", also without players.
// A client that asks for a room by its name (client.Config.Room) gets that one, which is
// opened while there are fewer than Config.Rooms; one that asks for none gets a seat
// wherever there is one. Each room plays its own match, with a world and a lobby of its
// own.
//
// # Players
//
// A player is in one of three states (package lobby): OK; LostConnection, from when
// the connection ended or nothing was heard for Config.Timeout, with the seat and the
// objects kept for Config.Grace; and Disconnected, from then on, or at once when the
// player left or was kicked. OnJoin, OnLost and OnLeave hooks tell a game, and what
// the player still owns after the OnLeave hooks despawns. A game that knows its players
// by what they say may give a seat that waits to the player who comes back (OnClaim,
// OnReturn).
//
// Who does not get a seat is told why: no free one, a match that has started
// (Config.RefuseLate), a locked lobby, another version of parley, another codec, or a
// game built with another Schema, with the lines in which the two differ.
//
// # What players can do
//
// A client asks, by calls, events and steering, and the server decides. Who asks is
// known from the connection. A call on somebody else's object, one that nobody
// handles, steering that is too fast: all that is refused and counted
// (Player.Refused), and costs its sender nothing else, since honest clients are late at
// times. A message that cannot be read, or a call that the game does not have, ends the
// connection.
//
// What one player can make the server keep or do is bounded: messages a second
// (Config.MessageRate), messages that wait for the room, and bytes that wait for the
// player. A player who does not take what is sent in time loses the connection, as
// does one who floods; a room never waits for a player.
//
// # What is kept
//
// With a Config.Sink, all that happens in a match is in a store while it runs, and
// afterwards (thesis §5.2.9): snapshots of its objects, with their values by name, and
// events.
//
//	 the room's goroutine          a goroutine beside it
//	┌──────────────────────┐   ┌────────────────────────────────┐
//	│ copy, count, hand on ┼──▶│ name the values, write, repeat ┼──▶ sink
//	└──────────────────────┘   └────────────────────────────────┘
//
// The room never waits for the sink. A snapshot costs it a copy of its numbers; one that
// the sink is too slow for gives way to the next. Events are written in order, after a
// failure again until they are stored; only when 16,384 of them wait are further ones
// lost, which the log says loudly, Stats.EventsLost counts, and the store is told by an
// event "dropped". For events that survive any outage and crash there is package
// sink/spool. At the end the server waits for what is still to be written, for at most
// five seconds.
//
// The name of a match, Room.Match, is its room's and the time (UTC) of the first record. The
// first object of each snapshot has the id 0 and the class Room: it tells who is in the
// room. Of its own accord a room records these events; Room.Record adds a game's own:
//
//	started    the match begins: players, their ids
//	reopened   it is back in the lobby
//	joined     a player has a seat: info
//	ready      the ready flag changed: ready; at most once a second, as
//	info       what the player says: info
//	lost       the connection is lost: code, reason
//	resumed    the player is back in the seat that waited: info
//	left       the player is gone: code, reason
//	kicked     and was thrown out, by the game or for breaking the rules: code, reason
//	refused    how much was refused of a player since the last such event: calls, which
//	           count events, moves, infos, floods; with each snapshot, and when it goes
//	dropped    what the store lacks here: events
//	restored   the match goes on from a snapshot: its epoch and tick; undone, the events
//	           after it
//	ended      the match is over: reason, one of over, failed, shutdown; error
//
// # Going on after a crash
//
// A match whose server was killed goes on from its newest snapshot, in the next epoch,
// so that what it records does not meet its past:
//
//	saved, err := server.Load(ctx, store, "") // the newest that is under way
//	if err != nil {
//		return err
//	}
//	srv, err := server.New(server.Config{…, Sink: store, Restore: []*server.Saved{saved}})
//
// The objects are back with their ids, owners and values before the match's function is
// called, which Room.Restored tells. Its first Lobby.Wait returns at once if the match
// had started. The players' seats wait for Config.Grace as if their connections had
// been lost, and OnJoin hooks do not run for them. Who comes back is a matter of the
// game: an OnClaim hook knows them, by name for example, and gives each the seat, the
// id and the objects that were theirs:
//
//	func match(r *server.Room) error {
//		r.OnClaim(func(p, seat *server.Player) bool { return nameOf(p) == nameOf(seat) })
//		if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
//			return err
//		}
//		if r.Restored() == nil {
//			state.Spawn(r.World(), newDragon())
//		}
//		r.OnJoin(func(p *server.Player) { state.SpawnFor(r.World(), p.ID(), newHero(nameOf(p))) })
//		for range r.Ticks() {
//			…
//		}
//		return nil
//	}
//
// What happened after the snapshot is undone, and told by Saved.Events: a match that
// takes a Snapshot when something of value changes hands has little to undo. A class or a
// field that the game has no more, or an event that is missing after the snapshot, is an
// error and no guess.
//
// # Testing a game
//
// A whole match, with server and players, fits into a test: package mem is the
// network, and in the bubble of testing/synctest time is virtual, so that minutes of
// play take milliseconds and every run is the same. TestYourGame, in yourgame_test.go
// of this package, is a template to copy. In short:
//
//	func TestYourGame(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			network := new(mem.Transport)
//			ln, err := network.Listen(t.Context(), "game")
//			...
//			srv, err := server.New(server.Config{Schema: Schema, Codec: codec.Msgp{}, Match: match, Matches: 1})
//			...
//			served := make(chan error, 1)
//			go func() { served <- srv.Serve(t.Context(), ln) }()
//
//			ann, err := client.Dial(t.Context(), "game", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: Schema})
//			...
//			for range ann.Frames(60) {
//				// look at ann.World(), call, steer
//			}
//			if err := <-served; err != nil {
//				t.Error(err)
//			}
//		})
//	}
//
// Wrapped in package conformance/netsim, the same network loses and delays what it
// carries. Rules that need no players can be tested without a server: see rpc.Table.
package server
