package main

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is what the program prints on; its goroutines do so at the same time.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// story is what the program tells, line by line.
var story = []string{
	`The login service is at http://127\.0\.0\.1:\d+/login, the game at 127\.0\.0\.1:\d+#[a-z2-7]{26}`,
	``,
	`Alice logs in and plays\.`,
	`    eu-1 lets alice in`,
	`  yes: "welcome to eu-1, alice"`,
	``,
	`So does Bob\.`,
	`    eu-1 lets bob in`,
	`  yes: "welcome to eu-1, bob"`,
	``,
	`Alice comes again, with another token\.`,
	`    eu-1 lets alice in`,
	`  yes: "welcome to eu-1, alice"`,
	``,
	`Mallory has no token\.`,
	`  no: .* \(refused\): this server wants a token.*`,
	``,
	`Mallory tries a password of Alice's\.`,
	`  no: log in as alice: wrong user or password`,
	``,
	`Mallory tries a password of Alice's\.`,
	`  no: log in as alice: wrong user or password`,
	``,
	`Mallory tries a password of Alice's\.`,
	`  no: log in as alice: wrong user or password`,
	``,
	`Mallory tries a password of Alice's\.`,
	`  no: log in as alice: too many tries: wait a little`,
	``,
	`Mallory asks whether there is a Carol\.`,
	`  no: log in as carol: wrong user or password`,
	``,
	`Mallory has the sealed part of a token of Bob's\.`,
	`  no: .*: context deadline exceeded`,
	``,
	`Bob has all of it, and nobody could spend it\.`,
	`    eu-1 lets bob in`,
	`  yes: "welcome to eu-1, bob"`,
	``,
	`Mallory has stolen the whole of it, too late\.`,
	`  no: .* \(refused\): token: the token was used already, and serves once: get a new one from the login service`,
	``,
	`Bob took a while: his token is over\.`,
	`  no: .* \(refused\): token: the token expired [\d.]+m?s ago: get a new one from the login service`,
	``,
	`Bob has a token for another server\.`,
	`  no: .* \(refused\): token: the token is for other servers than "eu-1": get a new one from the login service`,
	``,
	`Bob has a token from before the server was restarted\.`,
	`  no: .* \(refused\): token: the token is older than the server, which started [\d.]+m?s after it was issued: get a new one from the login service`,
	``,
	`Bob logs in once more\.`,
	`    eu-1 lets bob in`,
	`  yes: "welcome to eu-1, bob"`,
}

func TestStory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out := new(screen)
	if err := run(ctx, out); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i, want := range story {
		if i >= len(lines) || !regexp.MustCompile(`^`+want+`$`).MatchString(lines[i]) {
			t.Fatalf("line %d is not %q in\n%s", i+1, want, out)
		}
	}
	if len(lines) != len(story) {
		t.Errorf("there are %d lines, want %d, in\n%s", len(lines), len(story), out)
	}
	for _, secret := range []string{"parley-token", "correct horse", "battery staple"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("it prints %q", secret)
		}
	}
}
