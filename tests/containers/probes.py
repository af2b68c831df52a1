"""Run in a container of the stack's network that knows no password: what each port says to a stranger.

``python probes.py SERVICE:PORT ...`` prints a JSON object: "refused: ..." or "let in: ..." by port, "unknown" for a
port that it has no probe for.
"""

import base64
import http.client
import json
import socket
import sys

import psycopg2
import tarantool
from tarantool.error import DatabaseError

WRONG = "not-the-password"
BASIC = base64.b64encode(f"admin:{WRONG}".encode()).decode()
REFUSALS = {"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"}


def postgres(host: str, port: int) -> str:
    said = []
    for user in ("postgres", "gpadmin", "airflow", "mlflow", "xflow", "xflow_reader"):
        for password in (None, "", WRONG):
            try:
                psycopg2.connect(host=host, port=port, user=user, password=password, dbname="postgres").close()
            except psycopg2.OperationalError as error:
                said.append(str(error).strip().splitlines()[-1])
            else:
                return f"let in: {user} with {password!r}"
    wanted = ("no password supplied", "authentication failed", "does not exist")
    strange = [each for each in said if not any(text in each for text in wanted)]
    return f"let in: {strange[0]}" if strange else f"refused: {said[0]}"


def redis(host: str, port: int) -> str:
    with socket.create_connection((host, port), 5) as line:
        answers = []
        for command in (b"PING", b"KEYS *", b"CONFIG GET requirepass", b"AUTH " + WRONG.encode()):
            line.sendall(command + b"\r\n")
            answers.append(line.recv(1000).decode().strip())
    refused = all(answer.startswith(("-NOAUTH", "-WRONGPASS")) for answer in answers)
    return f"{'refused' if refused else 'let in'}: {answers}"


def tarantool_(host: str, port: int) -> str:
    answers = []
    for user, password in ((None, None), ("guest", None), ("admin", None), ("admin", WRONG), ("xflow", WRONG)):
        try:
            connection = tarantool.Connection(host, port, user=user, password=password, reconnect_max_attempts=1)
        except DatabaseError as error:
            answers.append(str(error.args[-1]))
            continue
        for ask in (
            lambda line=connection: line.select("_vuser"),
            lambda line=connection: line.eval("return 1"),
            lambda line=connection: line.call("feature_purge", ("job", 0)),
        ):
            try:
                return f"let in: {user} got {ask()}"
            except DatabaseError as error:
                answers.append(str(error.args[-1]))
    return f"refused: {answers[0]}"


def web(credentials: str, paths: dict[str, str]) -> "Probe":
    """Ask for pages with no credentials, and with wrong ones."""

    def probe(host: str, port: int) -> str:
        said = []
        for path, method in paths.items():
            for headers in [{}, *([{"Authorization": credentials}] if credentials else [])]:
                connection = http.client.HTTPConnection(host, port, timeout=10)
                connection.request(method, path, headers={"Host": f"{host}:{port}", **headers})
                status = connection.getresponse().status
                if status not in {401, 403}:
                    return f"let in: {method} {path} {sorted(headers)}: {status}"
                said.append(f"{path} {status}")
        return f"refused: {said}"

    return probe


def s3(host: str, port: int) -> str:
    """Anonymously, and signed with a key that nobody was given."""
    import boto3
    from botocore.exceptions import ClientError

    anonymous = web("", {"/": "GET", "/xflow?list-type=2": "GET", "/xflow/x": "PUT", "/xflow/y": "DELETE"})(host, port)
    session = boto3.Session("AKIAIOSFODNN7", WRONG, region_name="us-east-1")
    client = session.client("s3", endpoint_url=f"http://{host}:{port}")
    answers = []
    for ask in (client.list_buckets, lambda: client.list_objects_v2(Bucket="xflow")):
        try:
            return f"let in: {ask()}"
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
    return anonymous if set(answers) <= {"InvalidAccessKeyId", "AccessDenied"} else f"let in: {answers}"


def s3_grpc(host: str, port: int) -> str:
    """An empty request to change who may do what, and one that would list buckets."""
    import grpc

    channel = grpc.insecure_channel(f"{host}:{port}")
    answers = []
    for method in ("/s3_pb.SeaweedS3/Configure", "/iam_pb.SeaweedIdentityAccessManagement/GetConfiguration"):
        try:
            channel.unary_unary(method)(b"", timeout=10)
        except grpc.RpcError as error:
            answers.append(f"{method} {error.code().name}")
        else:
            return f"let in: {method}"
    refused = all(
        answer.rpartition(" ")[2] in {"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"} for answer in answers
    )
    return f"{'refused' if refused else 'let in'}: {answers}"


AIRFLOW = {"/api/v2/dags": "GET", "/api/v2/connections": "GET", "/execution/variables/x": "GET", "/ui/config": "GET"}
MLFLOW = {
    "/": "GET",
    "/api/2.0/mlflow/experiments/search?max_results=1": "GET",
    "/api/2.0/mlflow-artifacts/artifacts": "GET",
    "/api/2.0/mlflow/users/get?username=admin": "GET",
}
SERVING = {
    "/v1/models": "GET",
    "/v1/keys": "GET",
    "/metrics": "GET",
    "/v1/vacancies/predict": "POST",
    "/invocations": "POST",
    "/board/api/overview": "GET",
}
Probe = type(postgres)
PROBES = {
    "postgres:5432": postgres,
    "greenplum:5432": postgres,
    "redis:6379": redis,
    "tarantool:3301": tarantool_,
    "s3:8333": s3,
    "s3:18333": s3_grpc,
    "mlflow:5000": web(f"Basic {BASIC}", MLFLOW),
    "serving:8000": web(f"Bearer {WRONG}", SERVING),
    "api-server:8080": web("Bearer x.y.z", AIRFLOW),
}


def main() -> None:
    answers = {}
    for place in sys.argv[1:]:
        host, _, port = place.partition(":")
        probe = PROBES.get(place)
        answers[place] = probe(host, int(port)) if probe else "unknown"
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
