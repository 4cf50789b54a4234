package redis_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/alicebob/miniredis/v2"
	mini "github.com/alicebob/miniredis/v2/server"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// says wants an error that wraps kind, keeps Redis's own, and tells what it is.
func says(t *testing.T, err, kind error, cause, words string) {
	t.Helper()
	var own goredis.Error
	if !errors.Is(err, kind) || !errors.As(err, &own) || !strings.HasPrefix(own.Error(), cause) || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "redis: ") {
		t.Errorf("%s: %v", cause, err)
	}
}

// TestAnswers holds that what Redis refuses is told apart, in words.
func TestAnswers(t *testing.T) {
	m, s := openMini(t, redis.Config{})
	put(t, s, event("m", 1, 1))
	for _, c := range []struct{ answer, words string }{
		{"LOADING Redis is loading the dataset in memory", "reads its data from the disk"},
		{"READONLY You can't write against a read only replica.", "name the primary"},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "lost its primary"},
		{"OOM command not allowed when used memory > 'maxmemory'.", "memory is full"},
		{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", "cannot save to its disk"},
		{"NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write"},
		{"NOAUTH Authentication required.", "wants a password"},
		{"WRONGPASS invalid username-password pair or user is disabled.", "password is wrong"},
		{"NOPERM this user has no permissions to run the 'evalsha' command", "may not do that"},
		{"ERR The user executing the script can't run this command or subcommand script: 50a7, on @user_script:57.", "may not do that"},
		{"NOSCRIPT No matching script. Please use EVAL.", "forgot a script"},
		{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "SCRIPT KILL"},
		{"CLUSTERDOWN Hash slot not served", "CLUSTER INFO"},
		{"TRYAGAIN Multiple keys request during rehashing of slot", "another node: try again"},
		{"MOVED 3999 127.0.0.1:6381", "?addr="},
		{"CROSSSLOT Keys in request don't hash to the same slot", "?addr="},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", "Config.Prefix"},
		{"ERR max number of clients reached", "maxclients"},
		{"ERR unknown command 'evalsha', with args beginning with: ", "Redis 5"},
		{"ERR something else", "it says no"},
	} {
		m.Server().SetPreHook(func(p *mini.Peer, cmd string, _ ...string) bool {
			if strings.HasPrefix(cmd, "EVAL") {
				p.WriteError(c.answer)
			}
			return strings.HasPrefix(cmd, "EVAL")
		})
		n, err := s.WriteEvents(t.Context(), events("m", 1, 2, 3))
		if n != 0 {
			t.Errorf("%s: %d events were stored", c.answer, n)
		}
		says(t, err, core.ErrRefused, c.answer, c.words)
		says(t, s.WriteSnapshot(t.Context(), snapshot("m", 1, 1)), core.ErrRefused, c.answer, c.words)
		if err := s.WriteSnapshot(t.Context(), snapshot("m", 1, 1)); !strings.Contains(err.Error(), m.Addr()) {
			t.Errorf("it does not say who: %v", err)
		}

		m.SetError(c.answer) // to all commands, also the first of a connection
		_, latest := s.Latest(t.Context(), "m")
		if errors.Is(latest, core.ErrNotFound) {
			t.Errorf("%s: nothing was found", c.answer)
		}
		says(t, latest, core.ErrRefused, c.answer, c.words)
		_, err = redis.Open(t.Context(), "redis://"+m.Addr())
		says(t, err, core.ErrRefused, c.answer, c.words)
		m.SetError("")
	}
	put(t, s, events("m", 1, 2, 3)...)
	same(t, "events", seqs(t, s, "m"), span(1, 1, 3))
}

// TestForgottenScripts writes to a Redis that was told to forget its scripts.
func TestForgottenScripts(t *testing.T) {
	each(t, redis.Config{}, func(t *testing.T, s *redis.Sink, db *goredis.Client) {
		for n := uint64(1); n <= 5; n++ {
			if err := db.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			put(t, s, event("m", 1, n), event("other", 1, n))
			write(t, s, large("m", n, 2*redis.MaxPart))
		}
		same(t, "events", seqs(t, s, "m"), span(1, 1, 5))
		same(t, "snapshots", ticks(t, s, "m"), span(1, 1, 5))
	})
}

// TestAnswersServer makes a real Redis refuse, and then not.
func TestAnswersServer(t *testing.T) {
	r := serve(t)
	db, s := r.client(t), open(t, redis.Config{URL: r.url()})
	do := func(args ...any) {
		t.Helper()
		if err := db.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(args, err)
		}
	}
	n := uint64(0)
	refuses := func(cause, words string) {
		t.Helper()
		n++
		k, err := s.WriteEvents(t.Context(), []core.Event{event("m", 1, n)})
		if k != 0 {
			t.Errorf("%s: %d events were stored", cause, k)
		}
		says(t, err, core.ErrRefused, cause, words)
		says(t, s.WriteSnapshot(t.Context(), large("m", n, 2*redis.MaxPart)), core.ErrRefused, cause, words)
	}
	takes := func() {
		t.Helper()
		put(t, s, events("m", 1, 1, n)...)
		write(t, s, large("m", n, 2*redis.MaxPart))
	}
	n = 1
	takes()

	do("CONFIG", "SET", "maxmemory", "1mb")
	refuses("OOM", "memory is full")
	do("CONFIG", "SET", "maxmemory", "0")
	takes()

	do("REPLICAOF", "127.0.0.1", freePort(t))
	refuses("READONLY", "name the primary")
	do("REPLICAOF", "NO", "ONE")
	takes()

	do("CONFIG", "SET", "min-replicas-to-write", "1")
	refuses("NOREPLICAS", "min-replicas-to-write")
	do("CONFIG", "SET", "min-replicas-to-write", "0")
	takes()

	do("SET", s.Keys("taken").Events, "by another program")
	k, err := s.WriteEvents(t.Context(), events("taken", 1, 1, 2))
	says(t, err, core.ErrRefused, "WRONGTYPE", "Config.Prefix")
	if _, err := s.Latest(t.Context(), "taken"); k != 0 || !errors.Is(err, core.ErrNotFound) {
		t.Error(k, err)
	}
	do("DEL", s.Keys("taken").Events)

	// A script that runs for too long. Who began it hears that it was killed.
	do("CONFIG", "SET", "lua-time-limit", "1")
	loops := make(chan error, 1)
	go func() { loops <- r.client(t).Eval(t.Context(), "while true do end", nil).Err() }()
	for db.Get(t.Context(), "any").Err() == goredis.Nil { // it has not begun
	}
	refuses("BUSY", "SCRIPT KILL")
	do("SCRIPT", "KILL")
	if err := <-loops; err == nil {
		t.Error("the loop ended by itself")
	}
	takes()

	do("CONFIG", "SET", "requirepass", "secret")
	fresh := open(t, redis.Config{URL: r.url()})
	_, err = fresh.Latest(t.Context(), "m")
	says(t, err, core.ErrRefused, "NOAUTH", "wants a password")
	_, err = redis.Open(t.Context(), strings.Replace(r.url(), "//", "//:wrong@", 1))
	says(t, err, core.ErrRefused, "WRONGPASS", "password is wrong")
	if known, err := redis.Open(t.Context(), strings.Replace(r.url(), "//", "//:secret@", 1)); err != nil {
		t.Error(err)
	} else if err := known.Close(t.Context()); err != nil {
		t.Error(err)
	}
	same(t, "events", seqs(t, s, "m"), span(1, 1, n))
}

// TestAccessList holds that the rules in doc.go are enough, and none is too much.
func TestAccessList(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, line := range regexp.MustCompile(`(?m)^//\t([~+].*)$`).FindAllSubmatch(doc, -1) {
		rules = append(rules, strings.Fields(string(line[1]))...)
	}
	if len(rules) < 10 {
		t.Fatalf("the rules in doc.go are %q", rules)
	}
	r := serve(t)
	db := r.client(t)
	use := func(rules []string) error {
		args := []any{"ACL", "SETUSER", "game", "reset", "on", ">pw"}
		for _, rule := range rules {
			args = append(args, rule)
		}
		if err := db.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.FlushDB(t.Context()).Err(), db.ScriptFlush(t.Context()).Err()); err != nil {
			t.Fatal(err)
		}
		bulky := snapshot("m", 1, 50) // goes in two parts
		bulky.Objects = slices.Values([]core.ObjectState{{Fields: []core.Field{{Name: "bytes", Value: make([]byte, redis.MaxPart)}}}})
		var errs []error
		for _, options := range []string{"", "?expire=1h&keep_events=1&keep_snapshots=1"} {
			s, err := redis.Open(t.Context(), strings.Replace(r.url(), "//", "//game:pw@", 1)+options)
			if err != nil {
				return err
			}
			m := "m" + options
			for _, n := range []uint64{30, 20, 40, 10} {
				_, err := s.WriteEvents(t.Context(), []core.Event{event(m, 1, n)})
				errs = append(errs, err, s.WriteSnapshot(t.Context(), snapshot(m, 1, n)))
			}
			// Enough that come late for some to be dropped.
			_, err = s.WriteEvents(t.Context(), events(m, 1, 31, 39))
			_, err2 := s.WriteEvents(t.Context(), append([]core.Event{event(m, 2, 100)}, events(m, 2, 1, 99)...))
			errs = append(errs, err, err2)
			if options == "" {
				errs = append(errs, s.WriteSnapshot(t.Context(), bulky))
			}
			_, err = s.Matches(t.Context())
			_, err2 = s.Latest(t.Context(), m)
			errs = append(errs, err, err2)
			for _, err := range s.Snapshots(t.Context(), m, 0, last) {
				errs = append(errs, err)
			}
			for _, err := range s.Events(t.Context(), m, 0, last) {
				errs = append(errs, err)
			}
			errs = append(errs, s.Close(t.Context()))
		}
		return errors.Join(errs...)
	}
	if err := use(rules); err != nil {
		t.Errorf("with all rules: %v", err)
	}
	for i, rule := range rules {
		err := use(append(append([]string{}, rules[:i]...), rules[i+1:]...))
		if rule == "+hello" { // go-redis does without
			continue
		}
		if err == nil {
			t.Errorf("the rule %s is not needed", rule)
			continue
		}
		if first, _, _ := strings.Cut(err.Error(), "\n"); !strings.Contains(first, "may not do that") || !errors.Is(err, core.ErrRefused) {
			t.Errorf("without %s: %s", rule, first)
		}
	}
}

// TestTLS talks TLS with a server that is trusted and one that is not, and with one that
// does not talk it.
func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	t.Cleanup(web.Close)
	m := miniredis.NewMiniRedis()
	if err := m.StartTLS(&tls.Config{Certificates: web.TLS.Certificates}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if _, err := redis.Open(t.Context(), "rediss://"+m.Addr()); !errors.Is(err, core.ErrUntrusted) {
		t.Errorf("a certificate of nobody's: %v", err)
	}
	if _, err := redis.Open(t.Context(), "redis://"+m.Addr()); err == nil {
		t.Error("a server with TLS was opened without")
	}
	s, err := redis.Open(t.Context(), "rediss://"+m.Addr()+"?skip_verify=true")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, event("m", 1, 1))
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	db := goredis.NewClient(&goredis.Options{Addr: m.Addr(), TLSConfig: &tls.Config{RootCAs: roots}, ContextTimeoutEnabled: true})
	defer db.Close()
	same(t, "events", seqs(t, open(t, redis.Config{Client: db}), "m"), span(1, 1, 1))
	plain := httptest.NewServer(nil)
	t.Cleanup(plain.Close)
	if _, err := redis.Open(t.Context(), "rediss://"+plain.Listener.Addr().String()); !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), "redis://") {
		t.Errorf("a server without TLS: %v", err)
	}
}
