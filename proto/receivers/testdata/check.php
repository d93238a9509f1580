<?php
// Reads cases from stdin and prints what the receiver's functions say of each.
require $argv[1];
$cases = json_decode(stream_get_contents(STDIN), true);
echo json_encode(array_map(function (array $c): bool {
    $body = base64_decode($c['body']);
    return $c['standard']
        ? verifyStandard($c['secret'], $body, $c['id'], $c['timestamp'], $c['signature'], $c['now'])
        : verifyDialNote($c['secret'], $body, $c['signature']);
}, $cases));
