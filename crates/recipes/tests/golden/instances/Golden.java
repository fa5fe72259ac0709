import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;

/** Writes service instances exactly as Curator does, one file per case. */
public class Golden {
    public static class Node {
        public String version = "1.2";
        public int weight = 7;
    }

    static <T> void write(String dir, String name, Class<T> type, boolean compatible, ServiceInstance<T> instance)
            throws Exception {
        byte[] bytes = new JsonInstanceSerializer<>(type, compatible).serialize(instance);
        Files.write(Paths.get(dir, name + ".json"), bytes);
        ServiceInstance<T> back = new JsonInstanceSerializer<>(type, compatible).deserialize(bytes);
        System.out.println(name + "\t" + back + "\turi=" + back.buildUriSpec());
    }

    public static void main(String[] args) throws Exception {
        String d = args[0];
        UriSpec uri = new UriSpec("{scheme}://{address}:{port}/{name}/{ id }?t={registration-time-utc}&s={service-type}&x={nothing}&{[}{]}{ssl-port}");
        write(d, "minimal", Void.class, true, new ServiceInstance<>("web", "id-1", null, null, null, null, 0, ServiceType.DYNAMIC, null));
        write(d, "minimal-enabled", Void.class, false, new ServiceInstance<>("web", "id-1", null, null, null, null, 0, ServiceType.DYNAMIC, null));
        write(d, "full-string", String.class, true, new ServiceInstance<>("web", "id-2", "10.1.2.3", 8080, 8443, "a \"payload\" \u00fc/\u2028\u0007", 1700000000123L, ServiceType.STATIC, uri));
        write(d, "full-disabled", String.class, false, new ServiceInstance<>("web", "id-3", "h\u00f6st", 1, 2, "p", 1L, ServiceType.PERMANENT, uri, false));
        write(d, "integer", Integer.class, true, new ServiceInstance<>("w", "i", "a", 80, null, 42, 5, ServiceType.DYNAMIC_SEQUENTIAL, null));
        write(d, "boolean", Boolean.class, true, new ServiceInstance<>("w", "i", "a", 80, null, true, 5, ServiceType.DYNAMIC, null));
        write(d, "double", Double.class, true, new ServiceInstance<>("w", "i", "a", 80, null, 1.5, 5, ServiceType.DYNAMIC, null));
        write(d, "long", Long.class, true, new ServiceInstance<>("w", "i", "a", 80, null, 42L, 5, ServiceType.DYNAMIC, null));
        write(d, "object", Node.class, true, new ServiceInstance<>("w", "i", "a", 80, null, new Node(), 5, ServiceType.DYNAMIC, null));
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("zone", "eu"); m.put("n", 3);
        write(d, "map", LinkedHashMap.class, true, new ServiceInstance<>("w", "i", "a", 80, null, new LinkedHashMap<>(m), 5, ServiceType.DYNAMIC, null));
        write(d, "list", ArrayList.class, true, new ServiceInstance<>("w", "i", "a", 80, null, new ArrayList<>(List.of("x", 1)), 5, ServiceType.DYNAMIC, null));
    }
}
