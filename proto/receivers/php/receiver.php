<?php
// A receiver of dialnote webhooks that needs nothing but PHP 8:
//
//   DIALNOTE_WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:3000 receiver.php

const TOLERANCE = 300; // seconds that a request's time may be off
const LIMIT = 1 << 20; // bytes that a body may have; ours have less. Let your web server refuse more, too

// X-DialNote-Signature: keyed by the whole secret, whsec_ included, and made of
// the body's bytes. hash_equals takes as long whatever is different.
function verifyDialNote(string $secret, string $body, ?string $signature): bool
{
    return hash_equals('sha256=' . hash_hmac('sha256', $body, $secret), $signature ?? '');
}

// Standard Webhooks: keyed by the bytes behind whsec_, and made of id, time and
// body. $signatures may list several, one of which must match. $now is in Unix
// seconds.
function verifyStandard(string $secret, string $body, ?string $id, ?string $timestamp, ?string $signatures, ?int $now = null): bool
{
    if (!preg_match('/\A[0-9]{1,12}\z/', $timestamp ?? '') || abs(($now ?? time()) - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')), true);
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    foreach (explode(' ', $signatures ?? '') as $signature) {
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

// --- The receiver ---

function receive(): void
{
    $body = file_get_contents('php://input', false, null, 0, LIMIT + 1); // the bytes, before anything parses them
    if (strlen($body) > LIMIT) {
        http_response_code(413);
        return;
    }
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? null;
    $secret = (string) getenv('DIALNOTE_WEBHOOK_SECRET');
    if ($secret === '') {
        error_log('set DIALNOTE_WEBHOOK_SECRET: without it every sender could sign');
        http_response_code(500);
        return;
    }
    $verified = verifyStandard(
        $secret, $body, $id,
        $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? null, $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? null,
    );
    http_response_code($verified ? 204 : 401);
    if (!$verified || repeated($id)) {
        return;
    }
    if (function_exists('fastcgi_finish_request')) {
        fastcgi_finish_request(); // the answer is out: the work can take its time
    }
    work(json_decode($body, true));
}

// In production: a table with the event's id as its key.
function repeated(string $id): bool
{
    return @fopen(sys_get_temp_dir() . '/dialnote-' . hash('sha256', $id), 'x') === false;
}

function work(array $event): void
{
    error_log("{$event['type']} {$event['id']}");
}

if (PHP_SAPI !== 'cli') {
    receive();
}
