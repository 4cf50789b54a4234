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
// the player still owns after the OnLeave hooks despawns.
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
