package view

import "github.com/dialnote/webhooks/pkg/delivery"

// Explanation answers "Why did it fail?": what a reason means, and what to do.
type Explanation struct {
	Reason delivery.Reason
	Title  string
	Means  string
	Do     []string
}

// Explanations returns the explanation of every reason, in the order of the
// specification (section 5).
func Explanations() []Explanation {
	return []Explanation{
		{
			delivery.ReasonDNS, "The address could not be found",
			"The host name in the Webhook URL has no address on the internet, so there was no server to send to.",
			[]string{"Check the URL for a spelling mistake.", "If the name is new, wait until its DNS record is known everywhere, then press Test."},
		},
		{
			delivery.ReasonConnect, "No connection could be made",
			"The server's address is known, but nothing accepted a connection there.",
			[]string{"Check that your server is running and reachable from the internet.", "Check the port in the URL and your firewall."},
		},
		{
			delivery.ReasonTLS, "No secure connection could be made",
			"The server answered, but its certificate or its HTTPS settings could not be trusted, so nothing was sent.",
			[]string{"Renew an expired certificate, and install it with its intermediate certificates.", "Check that the certificate is for exactly this host name.", "Allow TLS 1.2 or newer, and do not ask for a client certificate."},
		},
		{
			delivery.ReasonTimeout, "No answer in time",
			"The request was sent, but a complete answer did not come within the 30 second limit.",
			[]string{"Answer with a 2xx status first, and do the work afterwards.", "Look for slow queries or calls to other systems in your handler."},
		},
		{
			delivery.ReasonReset, "The connection was closed early",
			"The server closed the connection before it had given a complete answer.",
			[]string{"Look in your server's log for a crash or a restart at that time.", "Check the limits of a proxy or load balancer in front of it."},
		},
		{
			delivery.ReasonRedirect, "The server redirected",
			"The answer pointed to another address. Webhooks do not follow redirects, because a signed request must go where you said.",
			[]string{"Put the final address into the Webhook URL: often it is the one with or without www, or with a slash at the end."},
		},
		{
			delivery.ReasonClientError, "The server refused this request",
			"Your endpoint is alive and answered with a 4xx status: it does not want this request as it is. Other events are still sent.",
			[]string{"401 or 403: check how your endpoint authenticates, and the signature with the Signature checker.", "404 or 405: check the path, and that it accepts POST.", "400, 413 or 422: look at what your code expects of the payload."},
		},
		{
			delivery.ReasonRateLimited, "Too many requests",
			"The server answered 429: it wants fewer requests. We wait for as long as it asks, up to 5 hours.",
			[]string{"Raise the limit for dialnote's requests, or put them into a queue of your own."},
		},
		{
			delivery.ReasonServerError, "The server had an error",
			"The server answered with a 5xx status: something went wrong on its side while it handled the request.",
			[]string{"Look in your server's log at the time of the attempt; the event id is in the webhook-id header.", "If a proxy answered, check that the program behind it runs."},
		},
		{
			delivery.ReasonGone, "The endpoint is gone",
			"The server answered 410 Gone, which asks us to stop. The webhook was disabled at once.",
			[]string{"If that was a mistake, correct the endpoint and press Enable.", "For Zapier: turn the Zap on again, which makes a new webhook."},
		},
		{
			delivery.ReasonBlockedAddress, "The address is not allowed",
			"The host name leads to a private or reserved address. Webhooks are sent to public addresses only.",
			[]string{"Use a host name that leads to your server's public address.", "For local development use a public tunnel."},
		},
		{
			delivery.ReasonProtocol, "The answer could not be understood",
			"What came back is not valid HTTP, or has headers that are too long.",
			[]string{"Check that an HTTP server listens on that port.", "Check what a proxy in front of it adds to the answer."},
		},
		{
			delivery.ReasonInternal, "A problem on our side",
			"The request could not be sent, for a reason that is not yours. It is not counted as a failure, and tried again.",
			[]string{"There is nothing to do. If it goes on, tell dialnote support the delivery id."},
		},
	}
}

// Explain returns the explanation of a reason, the zero Explanation for none.
func Explain(r delivery.Reason) Explanation {
	for _, e := range Explanations() {
		if e.Reason == r {
			return e
		}
	}
	return Explanation{}
}
