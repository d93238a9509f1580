package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/signature"
)

// receiver is a customer's server: it parses the body and calls the function
// of the help page.
const receiver = `
const crypto = require('crypto');

function verifySignature(payload, signature, secret) {
  const expectedSignature = 'sha256=' +
    crypto.createHmac('sha256', secret)
      .update(JSON.stringify(payload))
      .digest('hex');

  return signature === expectedSignature;
}

const lines = require('fs').readFileSync(0, 'latin1').split('\n').slice(0, -1);
process.stdout.write(lines.map((line) => {
  const { body, signature, secret } = JSON.parse(Buffer.from(line, 'base64').toString('utf8'));
  const payload = JSON.parse(Buffer.from(body, 'base64').toString('utf8'));
  return verifySignature(payload, signature, secret) + '\n';
}).join(''));
`

type request struct {
	Body      []byte `json:"body"`
	Signature string `json:"signature"`
	Secret    string `json:"secret"`
}

// The promise of the help page: its function accepts every request, whatever
// the data holds, and no other signature.
func TestHelpPageFunctionAcceptsEverySignature(t *testing.T) {
	t.Parallel()
	r := random(t)
	var requests [][]byte
	for i := 0; len(requests) < 5_000; i++ {
		data := noteData[:len(noteData)-1] + `,"more":` + jsonObject(r) + `}`
		ev, err := event.New(event.NewID(time.Now()), event.NoteCreated, time.Now(), "org_1", []byte(data))
		if err != nil {
			if !fault.Is(err, fault.Invalid) || i > 50_000 {
				t.Fatalf("%s: %v", data, err)
			}
			continue // it has a key that receivers refuse
		}
		secret, err := signature.NewSecret(r8{r.Uint64})
		if err != nil {
			t.Fatal(err)
		}
		body := ev.Body()
		signed := request{Body: body, Signature: signature.DialNote(secret.Reveal(), body), Secret: secret.Reveal()}
		if len(requests)%10 == 9 {
			signed.Signature = signature.DialNote(secret.Reveal(), append(body, '\n'))
		}
		text, err := json.Marshal(signed)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, text)
	}
	for i, answer := range node(t, receiver, requests) {
		want := "true"
		if i%10 == 9 {
			want = "false"
		}
		if answer != want {
			t.Errorf("verifySignature says %s to %s", answer, requests[i])
		}
	}
}

// r8 is a reader of random bytes from a generator, so that a seed repeats a
// whole test.
type r8 struct{ next func() uint64 }

func (r r8) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.next())
	}
	return len(p), nil
}
