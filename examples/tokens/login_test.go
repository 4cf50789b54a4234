package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/transport/token"
)

const addr = "127.0.0.1:7777#qisyqwhrqg3knz3x7vtfmggxzy"

var passwords = map[string]string{"alice": "correct horse", "bob": ""}

// newTestLogin returns a service whose hash is quick, and counted.
func newTestLogin(t *testing.T) (*Login, *atomic.Int32) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	l := NewLogin([]token.Key{key}, func() (string, string) { return "eu-1", addr }, nil)
	count := new(atomic.Int32)
	l.hash = func(password string, salt []byte) []byte {
		count.Add(1)
		return append([]byte(password), salt...)
	}
	for user, password := range passwords {
		l.accounts[user] = l.newAccount(password)
	}
	l.decoy = l.newAccount("nobody's")
	count.Store(0)
	return l, count
}

// ask asks the service from an address.
func ask(l *Login, from, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(body))
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w
}

func TestLogin(t *testing.T) {
	l, hashes := newTestLogin(t)
	tokens, err := token.NewVerifier(token.Config{Keys: l.Keys, Server: "eu-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, body string
		status     int
		answer     string // "" where it is a token
		hashes     int32
	}{
		{"right", `{"user": "alice", "password": "correct horse"}`, 200, "", 1},
		{"no password", `{"user": "bob", "password": ""}`, 200, "", 1},
		{"wrong", `{"user": "alice", "password": "correct horsf"}`, 401, "wrong user or password\n", 1},
		{"another's", `{"user": "bob", "password": "correct horse"}`, 401, "wrong user or password\n", 1},
		{"unknown user", `{"user": "carol", "password": "correct horse"}`, 401, "wrong user or password\n", 1},
		{"the decoy's", `{"user": "carol", "password": "nobody's"}`, 401, "wrong user or password\n", 1},
		{"nobody", `{}`, 401, "wrong user or password\n", 1},
		{"no JSON", `user=alice`, 400, "send {\"user\": …, \"password\": …}\n", 0},
		{"nothing", ``, 400, "send {\"user\": …, \"password\": …}\n", 0},
		{"too long", `{"user": "alice", "password": "` + strings.Repeat("a", 1<<20) + `"}`, 400, "send {\"user\": …, \"password\": …}\n", 0},
	} {
		hashes.Store(0)
		w := ask(l, "192.0.2.1:1", tt.body)
		if w.Code != tt.status || tt.answer != "" && w.Body.String() != tt.answer {
			t.Errorf("%s: %d %q, want %d %q", tt.name, w.Code, w.Body, tt.status, tt.answer)
		}
		if n := hashes.Load(); n != tt.hashes {
			t.Errorf("%s: %d hashes were computed, want %d", tt.name, n, tt.hashes)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control is %q", tt.name, got)
		}
		if tt.answer != "" {
			continue
		}
		tok, err := token.Parse(w.Body.String())
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if p, err := tokens.Open(tok.Sealed, time.Now()); err != nil || !strings.Contains(tt.body, p.User) || tok.Addr != addr {
			t.Errorf("%s: the token is %v, %v, for %q", tt.name, p, err, tok.Addr)
		}
	}
}

// TestLimits holds that neither one address nor all of them together can try many
// passwords, and that time heals.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, hashes := newTestLogin(t)
		const right, wrong = `{"user": "alice", "password": "correct horse"}`, `{"user": "alice", "password": ""}`
		for i := range triesByUser {
			if w := ask(l, "192.0.2.1:1", wrong); w.Code != 401 {
				t.Fatalf("try %d: %d", i, w.Code)
			}
		}
		hashes.Store(0)
		for _, from := range []string{"192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"} {
			w := ask(l, from, right)
			if w.Code != 429 || w.Header().Get("Retry-After") != "10" || w.Body.String() != "too many tries: wait a little\n" {
				t.Errorf("one more from %s: %d %q", from, w.Code, w.Body)
			}
		}
		if n := hashes.Load(); n != 0 {
			t.Errorf("%d hashes were computed for those who must wait", n)
		}
		if w := ask(l, "192.0.2.1:1", `{"user": "bob"}`); w.Code != 200 {
			t.Errorf("another user: %d %s", w.Code, w.Body)
		}
		time.Sleep(userPause)
		if w := ask(l, "192.0.2.1:1", right); w.Code != 200 {
			t.Errorf("a pause later: %d %s", w.Code, w.Body)
		}
		if w := ask(l, "192.0.2.1:1", right); w.Code != 429 {
			t.Errorf("at once again: %d %s", w.Code, w.Body)
		}
		tries := 0
		for ; ask(l, "192.0.2.9:1", `{"user": "u`+strconv.Itoa(tries)+`"}`).Code != 429; tries++ {
		}
		if tries != triesByAddr {
			t.Errorf("one address tried %d users, want %d", tries, triesByAddr)
		}
	})
}

func TestLimiter(t *testing.T) {
	l := newLimiter(3, time.Second)
	now := time.Unix(1, 0)
	takes := func(name string, after time.Duration, want int) {
		t.Helper()
		now = now.Add(after)
		got := 0
		for l.take(name, now) {
			if got++; got > 100 {
				break
			}
		}
		if got != want {
			t.Errorf("%q may try %d times, want %d", name, got, want)
		}
	}
	takes("alice", 0, 3)
	takes("alice", 999*time.Millisecond, 0)
	takes("alice", time.Millisecond, 1)
	takes("alice", 2*time.Second, 2)
	takes("alice", time.Hour, 3)
	takes("alice", -time.Hour, 0) // a clock that is set back opens nothing

	now = now.Add(3 * time.Hour)
	for i := range maxNames {
		if !l.take(strconv.Itoa(i), now) {
			t.Fatalf("name %d may not try", i)
		}
	}
	takes("one too many", 0, 0)
	takes("7", 0, 2)
	takes("one too many", time.Second, 3) // the others may be forgotten
	if n := len(l.full); n > maxNames {
		t.Errorf("%d names are remembered, at most %d may be", n, maxNames)
	}
}

// TestHashing holds that few hashes are computed at once, however many ask, and that who
// does not wait for the turn costs none.
func TestHashing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, hashes := newTestLogin(t)
		var mu sync.Mutex
		now, most := 0, 0
		quick := l.hash
		l.hash = func(password string, salt []byte) []byte {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return quick(password, salt)
		}
		var wg sync.WaitGroup
		const asking = 20
		for i := range asking {
			wg.Go(func() {
				if w := ask(l, "192.0.2.1:1", `{"user": "u`+strconv.Itoa(i)+`"}`); w.Code != 401 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if ok, err := l.check(ctx, "alice", passwords["alice"]); ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gave up got %v, %v", ok, err)
		}
		wg.Wait()
		if n := hashes.Load(); most != maxHashing || n != asking {
			t.Errorf("%d of %d hashes were computed at once, want %d of %d", most, n, maxHashing, asking)
		}
	})
}
