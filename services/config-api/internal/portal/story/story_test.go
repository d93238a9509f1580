package story_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/story"
)

// Every story is rendered, and no page has anything inline: it would not work under
// the policy, and text of a customer or a receiver could become a script.
func TestEveryStoryHasNothingInline(t *testing.T) {
	t.Parallel()
	book, err := story.NewBook(story.Policy)
	if err != nil {
		t.Fatal(err)
	}
	inline := regexp.MustCompile(`(?i)<style|<script(?:[^>]*[^/])?>[^<]|\sstyle=|<[^>]*\son[a-z]+=|javascript:|hx-on|hx-vals='js`)
	for _, s := range story.All() {
		for _, query := range []string{"", "?part=1"} {
			w := httptest.NewRecorder()
			book.ServeHTTP(w, httptest.NewRequest(http.MethodGet, story.Path+s.Name+query, nil))
			page := w.Body.String()
			if w.Code != http.StatusOK {
				t.Fatalf("%s answered %d: %s", s.Name, w.Code, page)
			}
			if found := inline.FindString(page); found != "" {
				t.Errorf("%s has %q inline", s.Name, found)
			}
			for _, secret := range []string{"%!", "ZgotmplZ", "<no value>"} {
				if strings.Contains(page, secret) {
					t.Errorf("%s has %s", s.Name, secret)
				}
			}
			if !strings.Contains(page, "<h1") && s.Template != "zapier" {
				t.Errorf("%s has no heading", s.Name)
			}
		}
	}
}
